/** Past calls: searched by what was said, narrowed by filters that stand in the address, and as a file of just those. */

import { type ReactNode, useMemo, useRef } from "react";
import { More } from "../admin/parts.tsx";
import { organizationPath } from "../api/client.ts";
import { valueOf } from "../api/reading.ts";
import { dayAndTime } from "../calls/days.ts";
import { counted } from "../calls/format.ts";
import { useKeys } from "../shell/keys.ts";
import type { PageProps } from "../shell/pages.ts";
import { useRoute } from "../shell/router.ts";
import { Shown } from "../shell/states.tsx";
import { useTimeZone } from "../live/time-zone.ts";
import { type CallPages, type Found, useCallPages } from "./call-pages.ts";
import { useChoices } from "./choices.ts";
import { FilterForm } from "./filter-form.tsx";
import { PastCalls } from "./past-calls.tsx";
import { askedOf, chipsOf, filterOf, rangeOf } from "./query.ts";
import "./history.css";

export function HistoryPage({ organization }: PageProps): ReactNode {
  const { params } = useRoute();
  const timeZone = useTimeZone();
  const asked = useMemo(() => askedOf(params), [params]);
  const filter = useMemo(() => filterOf(asked), [asked]);
  const searchRef = useRef<HTMLInputElement>(null);
  const choices = useChoices(organization);
  const key = JSON.stringify([asked, timeZone]);
  const pages = useCallPages(organization.organization_id, filter, () => rangeOf(asked, Date.now(), timeZone), key);
  useKeys({ "/": () => searchRef.current?.focus(), j: () => step(1), k: () => step(-1), r: pages.reload });
  const found = valueOf(pages.reading);
  const chips = chipsOf(asked, choices.assistantName);
  return (
    <>
      <FilterForm asked={asked} choices={choices} chips={chips} searchRef={searchRef} />
      <div className="history-head">
        <p id="history-count" role="status">
          {found && <CountWords found={found} timeZone={timeZone} />}
        </p>
        <div className="buttons">
          <button type="button" onClick={pages.reload} disabled={pages.isAsked}>
            Refresh
          </button>
          {found && organization.scopes.includes("calls:export") && (
            <a className="button" id="export" download href={exportLink(organization.organization_id, filter, found)}>
              CSV of these calls
            </a>
          )}
        </div>
      </div>
      <Shown of={pages} what="the calls">
        {(shown) => <Results pages={pages} found={shown} timeZone={timeZone} isNarrowed={chips.length > 0} />}
      </Shown>
    </>
  );
}

function CountWords({ found, timeZone }: { found: Found; timeZone: string }): ReactNode {
  return (
    <>
      <strong>{counted(found.calls.length, "call")}</strong>
      {found.next ? " so far" : ""}, first seen {dayAndTime(found.from, timeZone)} to {dayAndTime(found.to, timeZone)} ({timeZone}), newest first
    </>
  );
}

function Results({ pages, found, timeZone, isNarrowed }: { pages: CallPages; found: Found; timeZone: string; isNarrowed: boolean }): ReactNode {
  const isEmpty = found.calls.length === 0;
  return (
    <>
      {isEmpty && (
        <div className="empty">
          <h2>{found.next ? "No match so far" : isNarrowed ? "No call matches" : "No call in this range"}</h2>
          <p>{found.next ? "A search looks through so much at a time. Look further back below." : isNarrowed ? "Take a filter away, or widen the range." : "Widen the range, or place a test call."}</p>
        </div>
      )}
      {!isEmpty && <PastCalls found={found} timeZone={timeZone} />}
      <More of={pages} label={isEmpty ? "Look further back" : "Show more"} />
    </>
  );
}

/** The very range of what is shown, so that the file holds the same calls. */
function exportLink(organizationId: string, filter: Readonly<Record<string, string | number | null>>, { from, to }: Found): string {
  const told = Object.entries({ ...filter, from, to, format: "csv" }).flatMap(([name, value]) => (value === null ? [] : [[name, String(value)]]));
  return `${organizationPath(organizationId, "calls", "export")}?${new URLSearchParams(told)}`;
}

function step(by: number): void {
  const links = [...document.querySelectorAll<HTMLElement>(".past-calls .link")];
  const at = links.findIndex((each) => each === document.activeElement);
  links[Math.min(links.length - 1, Math.max(0, at + by))]?.focus();
}
