/** The head of the page: whose board it is, how live it is, and where to search. */

import type { ReactNode, RefObject } from "react";
import type { Session } from "../api/session.ts";
import { timeOfDay } from "../calls/format.ts";
import type { Liveness } from "../live/link.ts";
import { replaceParams } from "../shell/router.ts";

export interface HeaderProps {
  name: string;
  organizationId: string;
  timeZone: string | null;
  session: Session;
  liveness: Liveness;
  search: string;
  searchRef: RefObject<HTMLInputElement | null>;
  showKeys: () => void;
}

export function Header(props: HeaderProps): ReactNode {
  const { name, organizationId, timeZone, session, liveness, search, searchRef, showKeys } = props;
  return (
    <header className="top">
      <div className="whose">
        <p className="kicker">Live calls{timeZone && ` · ${timeZone}`}</p>
        <h1 id="organization">{name}</h1>
      </div>
      {session.organizations.length > 1 && (
        <label className="choice">
          <span className="hidden">Organization</span>
          <select value={organizationId} onChange={(event) => replaceParams((params) => params.set("organization", event.target.value))}>
            {session.organizations.map((each) => (
              <option key={each.organization_id} value={each.organization_id}>
                {each.name}
              </option>
            ))}
          </select>
        </label>
      )}
      <label className="search">
        <span className="hidden">Search calls</span>
        <input
          ref={searchRef}
          id="search"
          type="search"
          placeholder="Search number, assistant, words  ( / )"
          autoComplete="off"
          spellCheck={false}
          value={search}
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
      <button type="button" className="quiet keys-button" onClick={showKeys} aria-label="Keyboard map">
        ?
      </button>
      <ConnectionChip liveness={liveness} />
    </header>
  );
}

export function livenessWords(liveness: Liveness): string {
  switch (liveness.state) {
    case "live":
      return `Live ${(liveness.heardMs / 1000).toFixed(1)} s`;
    case "reconnecting":
      return liveness.retryMs === null ? "Reconnecting" : `Reconnecting ${Math.ceil(liveness.retryMs / 1000)} s`;
    case "stale":
      return `Stale since ${timeOfDay(liveness.sinceAt)}`;
    default:
      return "Connecting";
  }
}

function ConnectionChip({ liveness }: { liveness: Liveness }): ReactNode {
  const words = livenessWords(liveness);
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
