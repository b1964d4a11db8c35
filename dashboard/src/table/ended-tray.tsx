/** Calls that ended within the last minute, with what became of them; a report that comes late changes them in place. */

import type { ReactNode } from "react";
import { callerOf, endedAt, lastedWords } from "../calls/facts.ts";
import { since, words } from "../calls/format.ts";
import type { BoardCall } from "../live/protocol.ts";

const SHOWN_MS = 60_000;
const SHOWN = 12;

// A provider's clock that runs ahead tells of an end that is yet to come: it was no later than what was heard of it.
const overAt = (call: BoardCall): number => Math.min(Date.parse(endedAt(call)), Date.parse(call.evidence_at));

/** Calls ended or reported within the last minute, the newest first. At rest the last few ended ones stay in sight. */
export function recentlyEnded(calls: Iterable<BoardCall>, now: number): { fresh: BoardCall[]; older: BoardCall[] } {
  const ended = [...calls].filter((call) => call.status === "ended");
  ended.sort((a, b) => overAt(b) - overAt(a));
  const isFresh = (call: BoardCall): boolean => now - Date.parse(call.evidence_at) < SHOWN_MS;
  return { fresh: ended.filter(isFresh).slice(0, SHOWN), older: ended.filter((call) => !isFresh(call)).slice(0, SHOWN) };
}

export interface EndedTrayProps {
  calls: Iterable<BoardCall>;
  now: number;
  isFirst: boolean;
  openCall: (callId: string) => void;
}

export function EndedTray({ calls, now, isFirst, openCall }: EndedTrayProps): ReactNode {
  const { fresh, older } = recentlyEnded(calls, now);
  const isEmpty = fresh.length + older.length === 0;
  return (
    <section className="rail-part" aria-labelledby="ended-title">
      <h2 id="ended-title">
        Recently ended <span className="count">{fresh.length || ""}</span>
      </h2>
      {isEmpty && <p className="note">{isFirst ? "Loading…" : "No call ended within the hour."}</p>}
      <ul className="ended" id="ended">
        {fresh.map((call) => (
          <Ended key={call.call_id} call={call} now={now} openCall={openCall} />
        ))}
      </ul>
      {older.length > 0 && (
        <details>
          <summary>Earlier within the hour</summary>
          <ul className="ended">
            {older.map((call) => (
              <Ended key={call.call_id} call={call} now={now} openCall={openCall} />
            ))}
          </ul>
        </details>
      )}
    </section>
  );
}

export function reportWords(call: BoardCall): string {
  return call.processed_at ? "processed" : call.report === "received" ? "report arrived" : `report ${call.report}`;
}

function Ended({ call, now, openCall }: { call: BoardCall; now: number; openCall: (callId: string) => void }): ReactNode {
  const blame = call.fault_owner && call.fault_owner !== "nobody" ? ` · fault: ${words(call.fault_owner)}` : "";
  return (
    <li data-call={call.call_id}>
      <p className="ended-head">
        <button type="button" className="link" onClick={() => openCall(call.call_id)}>
          {callerOf(call)}
        </button>
        <span className="note">{since(endedAt(call), now)} ago</span>
      </p>
      <p className="note">
        {call.ended_reason ? words(call.ended_reason) : "reason not told yet"}
        {blame}
      </p>
      <p className="note">
        <span className="report" data-report={call.processed_at ? "processed" : call.report}>
          {reportWords(call)}
        </span>
        {` · ${lastedWords(call)}`}
      </p>
    </li>
  );
}
