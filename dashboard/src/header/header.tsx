/** The head of every page: whose it is, how live it is, the way to the others, and on the board where to search. */

import type { ReactNode, RefObject } from "react";
import type { PermittedOrganization, Session } from "../api/session.ts";
import { timeOfDay } from "../calls/format.ts";
import type { Liveness } from "../live/link.ts";
import { useTimeZone } from "../live/time-zone.ts";
import type { PresenceFrame } from "../live/protocol.ts";
import { Watching } from "../presence/watching.tsx";
import { subjectOf } from "../presence/words.ts";
import { Account } from "./account.tsx";
import { SoundSwitch } from "./sound-switch.tsx";
import { Menu } from "../shell/menu.tsx";
import { toOrganization } from "../shell/organization.ts";
import { replaceParams } from "../shell/router.ts";

export interface HeaderProps {
  organization: PermittedOrganization;
  /** The name, should it have changed since the session began. */
  name?: string | undefined;
  kicker: string;
  session: Session;
  /** Null for whoever may not watch: nothing live is shown to them. */
  liveness: Liveness | null;
  presence?: PresenceFrame | null;
  search?: SearchProps;
  showKeys?: () => void;
}

export interface SearchProps {
  text: string;
  inputRef: RefObject<HTMLInputElement | null>;
}

export function Header({ organization, name, kicker, session, liveness, presence, search, showKeys }: HeaderProps): ReactNode {
  return (
    <header className="top">
      <div className="whose">
        <p className="kicker">{kicker}</p>
        <h1 id="organization">{name ?? organization.name}</h1>
      </div>
      <Menu organization={organization} />
      {session.organizations.length > 1 && (
        <label className="choice">
          <span className="hidden">Organization</span>
          <select value={organization.organization_id} onChange={(event) => replaceParams((params) => toOrganization(params, event.target.value))}>
            {session.organizations.map((each) => (
              <option key={each.organization_id} value={each.organization_id}>
                {each.name}
              </option>
            ))}
          </select>
        </label>
      )}
      {search && <Search {...search} />}
      {showKeys && (
        <button type="button" className="quiet keys-button" onClick={showKeys} aria-label="Keyboard map">
          ?
        </button>
      )}
      {liveness && <SoundSwitch key={organization.organization_id} />}
      <Account session={session} organization={organization} />
      {presence && <Watching presence={presence} me={subjectOf(session.user)} />}
      {liveness && <ConnectionChip liveness={liveness} />}
    </header>
  );
}

function Search({ text, inputRef }: SearchProps): ReactNode {
  return (
    <label className="search">
      <span className="hidden">Search calls</span>
      <input
        ref={inputRef}
        id="search"
        type="search"
        placeholder="Search number, assistant, words  ( / )"
        autoComplete="off"
        spellCheck={false}
        value={text}
        onChange={(event) =>
          replaceParams((params) => (event.target.value ? params.set("q", event.target.value) : params.delete("q")))
        }
        onKeyDown={(event) => {
          if (event.key !== "Escape") return;
          event.stopPropagation();
          replaceParams((params) => params.delete("q"));
          event.currentTarget.blur();
        }}
      />
    </label>
  );
}

export function livenessWords(liveness: Liveness, timeZone: string): string {
  switch (liveness.state) {
    case "live":
      return `Live ${(liveness.heardMs / 1000).toFixed(1)} s`;
    case "reconnecting":
      return liveness.retryMs === null ? "Reconnecting" : `Reconnecting ${Math.ceil(liveness.retryMs / 1000)} s`;
    case "stale":
      return `Stale since ${timeOfDay(liveness.sinceAt, timeZone)}`;
    default:
      return "Connecting";
  }
}

function ConnectionChip({ liveness }: { liveness: Liveness }): ReactNode {
  const words = livenessWords(liveness, useTimeZone());
  return (
    <p id="link" className="chip" data-state={liveness.state} title="How long ago the server was last heard">
      <span aria-hidden="true">{words}</span>
      {/* Told anew only when the state changes, not with each second. */}
      <span className="hidden" role="status">
        {liveness.state === "live" ? "Live" : liveness.state === "reconnecting" ? "Reconnecting" : words}
      </span>
    </p>
  );
}
