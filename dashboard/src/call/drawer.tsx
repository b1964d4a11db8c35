/** One call beside the list, which stays live: what is said, what happened, notes, and what may be done. */

import { type ReactNode, useEffect, useRef, useState } from "react";
import { flushSync } from "react-dom";
import { organizationPath } from "../api/client.ts";
import { useReading, valueOf } from "../api/reading.ts";
import { ageMs, callerOf, evidenceOf, lastedWords, lineOf, stateWords } from "../calls/facts.ts";
import { clock, dollars, NOTHING, ofMs, since, words } from "../calls/format.ts";
import { alarmText, SEVERITIES } from "../calls/alarms.ts";
import type { CallRow } from "../calls/rows.ts";
import { actingWords, namesOf, othersOf } from "../presence/words.ts";
import { Actions } from "./actions.tsx";
import type { CallDetail, TimelineEntry } from "./detail.ts";
import { linesOf } from "./lines.ts";
import { Notes } from "./notes.tsx";
import { TagEditor } from "./tag-editor.tsx";
import { tagsOf } from "./tags.ts";
import { Timeline } from "./timeline.tsx";
import { Transcript } from "./transcript.tsx";
import { Link } from "../shell/link.tsx";
import { linkTo } from "../shell/router.ts";

export interface DrawerProps {
  row: CallRow;
  organizationId: string;
  scopes: ReadonlySet<string>;
  now: number;
  /** Server's clock minus ours. */
  skewMs: number;
  /** Whom presence calls whoever looks. */
  me: string | null;
  /** The board is behind: what is done goes through all the same. */
  isStale: boolean;
  close: () => void;
}

const NO_TIMELINE: readonly TimelineEntry[] = [];
const TABS = ["Transcript", "Timeline", "Facts", "Notes"] as const;
type Tab = (typeof TABS)[number];

export function Drawer({ row, organizationId, scopes, now, skewMs, me, isStale, close }: DrawerProps): ReactNode {
  const { call, incidents, actor } = row;
  const others = othersOf(row.watchers, me);
  const [tab, setTab] = useState<Tab>("Transcript");
  // What somebody does to the call is in its history, and no new version of it.
  const version = `${call.version} ${actor?.at ?? ""}`;
  const { reading, reload } = useReading<CallDetail>(organizationPath(organizationId, "calls", call.call_id), {}, { version });
  const detail = valueOf(reading);
  const fault = reading.status === "loading" ? null : reading.fault;
  const headingRef = useRef<HTMLHeadingElement>(null);
  useEffect(() => headingRef.current?.focus({ preventScroll: true }), [call.call_id]);
  const showNotes = (): void => {
    flushSync(() => setTab("Notes"));
    document.getElementById("note")?.focus();
  };
  const isEnded = call.status === "ended";
  return (
    <aside className="drawer" aria-labelledby="call-title" id="call">
      <header className="drawer-head">
        <div>
          <h2 id="call-title" tabIndex={-1} ref={headingRef}>
            {callerOf(call)}
          </h2>
          <p className="note">
            <span className="pill" data-status={call.status}>
              {stateWords(call)}
            </span>{" "}
            {call.assistant_name ?? ""} · {isEnded ? lastedWords(call) : `for ${clock(ageMs(call, now))}`} ·{" "}
            <Link href={linkTo(`/calls/${encodeURIComponent(call.call_id)}`)}>the whole call</Link>
          </p>
          <p className="note" id="call-evidence">
            Last evidence: {words(call.evidence_kind)} {since(call.evidence_at, now)} ago · {evidenceOf(call, now)}
          </p>
          <p className="note" id="also-watching" role="status">
            {others.length > 0 && `Also watching: ${namesOf(others, me)}`}
          </p>
          {actor && (
            <p className="acting" id="acting">
              {/* Told anew only when somebody acts, not with each second. */}
              <span role="status">{actingWords(actor, me)}</span> {since(actor.at, now)} ago
            </p>
          )}
        </div>
        <button type="button" className="quiet" onClick={close} aria-label="Close the call (Esc)">
          ×
        </button>
      </header>
      <TagEditor organizationId={organizationId} callId={call.call_id} tags={tagsOf(call)} mayWrite={scopes.has("calls:annotate")} />
      {incidents.map((incident) => (
        <p key={incident.incident_id} className="drawer-alarm" data-severity={incident.severity}>
          <span className="severity">
            {SEVERITIES[incident.severity].shape} {SEVERITIES[incident.severity].word}
          </span>{" "}
          {alarmText(incident)}
        </p>
      ))}
      <div className="tabs" role="tablist" aria-label="Parts of the call">
        {TABS.map((each) => (
          <button key={each} type="button" role="tab" id={`tab-${each}`} aria-selected={tab === each} aria-controls="call-part" tabIndex={tab === each ? 0 : -1} onClick={() => setTab(each)} onKeyDown={(event) => moveTab(event.key, tab, setTab)}>
            {each}
            {each === "Notes" && detail?.notes.length ? ` ${detail.notes.length}` : ""}
          </button>
        ))}
      </div>
      <div className="drawer-part" role="tabpanel" id="call-part" aria-labelledby={`tab-${tab}`}>
        {fault && (
          <p className="fault" role="alert">
            {fault}{" "}
            <button type="button" className="link" onClick={reload}>
              Try again
            </button>
          </p>
        )}
        {tab === "Transcript" && <Transcript lines={linesOf(call.utterances, detail)} />}
        {tab === "Timeline" && <Timeline entries={detail?.timeline ?? null} />}
        {tab === "Facts" && (
          <dl className="facts">
            {factsOf(row, now).map(([name, value]) => (
              <div key={name}>
                <dt>{name}</dt>
                <dd>{value}</dd>
              </div>
            ))}
          </dl>
        )}
        {tab === "Notes" && <Notes organizationId={organizationId} callId={call.call_id} notes={detail?.notes ?? null} mayWrite={scopes.has("calls:annotate")} reload={reload} />}
      </div>
      <Actions call={call} organizationId={organizationId} scopes={scopes} isStale={isStale} now={now} skewMs={skewMs} timeline={detail?.timeline ?? NO_TIMELINE} changed={reload} showNotes={showNotes} />
    </aside>
  );
}

function moveTab(key: string, tab: Tab, setTab: (tab: Tab) => void): void {
  const step = key === "ArrowRight" ? 1 : key === "ArrowLeft" ? -1 : 0;
  if (step === 0) return;
  const next = TABS[(TABS.indexOf(tab) + step + TABS.length) % TABS.length] ?? tab;
  setTab(next);
  document.getElementById(`tab-${next}`)?.focus();
}

function factsOf({ call }: CallRow, now: number): [string, string][] {
  const { conversation } = call;
  const exact = conversation.exact ? "" : " so far";
  return [
    ["Call", call.call_id],
    ["Direction", call.direction ?? NOTHING],
    ["From", call.from_number ?? NOTHING],
    ["To", call.to_number ?? NOTHING],
    ["Line", lineOf(call) ?? NOTHING],
    ["Admission", call.admission ? words(call.admission) : "never asked"],
    ["First seen", `${since(call.created_at, now)} ago`],
    ["Turn latency p50 / p95 / most", [conversation.turn_latency_p50_ms, conversation.turn_latency_p95_ms, conversation.turn_latency_max_ms].map(ofMs).join(" / ") + exact],
    ["Interruptions", `${conversation.interruptions}${exact}`],
    ["Tool calls", `${call.tool_calls}, ${conversation.tools_failed} failed`],
    ["Hangs", String(call.hangs)],
    ["Cost", dollars(call.cost_usd)],
    ["Transferred to", call.transferred_to ?? NOTHING],
    ["Ended", call.ended_reason ? `${words(call.ended_reason)} (${words(call.ended_class ?? "unknown")}, fault: ${words(call.fault_owner ?? "unknown")})` : NOTHING],
    ["Report", call.processed_at ? "processed" : call.report],
    ["Slot", call.released_at ? "released by an operator" : "held while it goes on"],
  ];
}
