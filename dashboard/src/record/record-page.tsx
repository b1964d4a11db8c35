/** One call, whole: what was heard and said, what it came to, what was done about it, and every event with its times. */

import { type ReactNode, useMemo } from "react";
import { organizationPath } from "../api/client.ts";
import { useReading } from "../api/reading.ts";
import type { PermittedOrganization } from "../api/session.ts";
import { linesOf } from "../call/lines.ts";
import { Notes } from "../call/notes.tsx";
import { TagEditor } from "../call/tag-editor.tsx";
import { Timeline } from "../call/timeline.tsx";
import { callerOf } from "../calls/facts.ts";
import { dayAndTime } from "../calls/days.ts";
import { clock, words } from "../calls/format.ts";
import { useLive } from "../live/store.ts";
import { useTimeZone } from "../live/time-zone.ts";
import { useLooking } from "../presence/looking.ts";
import { Link } from "../shell/link.tsx";
import { mayWatch } from "../shell/organization.ts";
import type { PageProps } from "../shell/pages.ts";
import { linkTo, useRoute } from "../shell/router.ts";
import { Shown } from "../shell/states.tsx";
import { Listening } from "./listening.tsx";
import { type CallRecord, costParts, costWords, factsOf, structuredData, whyNoRecording, whyNoTranscript } from "./record.ts";
import { WentOut } from "./went-out.tsx";
import "./record.css";

const PREFIX = "/calls/";

export function RecordPage({ organization }: PageProps): ReactNode {
  const callId = idOf(useRoute().path);
  // The board hears of each change of a call that it knows.
  const version = useLive().board.calls.get(callId)?.version;
  const record = useReading<CallRecord>(organizationPath(organization.organization_id, "calls", callId), {}, { version });
  useLooking(organization.organization_id, record.reading.status === "ready" ? callId : null);
  return (
    <Shown of={record} what="the call" missing={<NoSuchCall organization={organization} callId={callId} />}>
      {(call) => <Record call={call} organization={organization} reload={record.reload} />}
    </Shown>
  );
}

function NoSuchCall({ organization, callId }: { organization: PermittedOrganization; callId: string }): ReactNode {
  return (
    <div className="empty">
      <h2>There is no such call</h2>
      <p>
        {organization.name} has no call <code>{callId}</code>. <Link href={linkTo("/calls")}>Search the history</Link>
      </p>
    </div>
  );
}

function idOf(path: string): string {
  const told = path.slice(PREFIX.length);
  try {
    return decodeURIComponent(told);
  } catch {
    return told;
  }
}

function Record({ call, organization, reload }: { call: CallRecord; organization: PermittedOrganization; reload: () => void }): ReactNode {
  const timeZone = useTimeZone();
  const live = useLive().board.calls.get(call.call_id);
  const lines = useMemo(() => linesOf(live?.utterances ?? [], call), [live, call]);
  const isLive = call.status !== "ended";
  return (
    <article className="record" aria-labelledby="record-title">
      <header className="record-head">
        <div>
          <h2 id="record-title">{callerOf(call)}</h2>
          <p className="note">
            <span className="pill" data-status={call.status}>
              {words(call.status)}
            </span>{" "}
            {call.assistant_name} · {dayAndTime(call.created_at, timeZone)} ({timeZone})
            {call.duration_seconds !== null && ` · ${clock(call.duration_seconds * 1000)}`}
            {call.ended_reason && ` · ${words(call.ended_reason)}`}
          </p>
        </div>
        <TagEditor organizationId={organization.organization_id} callId={call.call_id} tags={call.tags} mayWrite={organization.scopes.includes("calls:annotate") && !call.archived} changed={reload} />
        {isLive && mayWatch(organization) && (
          <Link className="button" href={linkTo("/", { call: call.call_id })}>
            Watch it on the board
          </Link>
        )}
      </header>
      {call.report === "missing" && (
        <p className="fault" id="report-missing">
          ▲ Report missing: the provider never sent its end-of-call report. Transcript, cost and recording are not known; it is asked for again each day for a week.
        </p>
      )}
      <div className="record-body">
        <div className="record-main">
          <Summary call={call} />
          <Listening lines={lines} url={call.recording?.url ?? null} whyNoRecording={whyNoRecording(call)} whyNoTranscript={whyNoTranscript(call)} />
          <WentOut call={call} organization={organization} />
          <section className="panel" aria-labelledby="timeline-title">
            <h2 id="timeline-title">Timeline</h2>
            <div className="wide-part" role="region" aria-label="Timeline" tabIndex={-1}>
              <Timeline entries={call.timeline} />
            </div>
          </section>
        </div>
        <div className="record-side">
          <ActionItems call={call} />
          <section className="panel" aria-labelledby="facts-title">
            <h2 id="facts-title">Facts</h2>
            <Pairs pairs={factsOf(call, timeZone)} />
          </section>
          <Costs call={call} />
          <section className="panel" aria-labelledby="notes-title">
            <h2 id="notes-title">Notes</h2>
            <Notes organizationId={organization.organization_id} callId={call.call_id} notes={call.notes} mayWrite={organization.scopes.includes("calls:annotate")} reload={reload} />
          </section>
        </div>
      </div>
    </article>
  );
}

function Summary({ call }: { call: CallRecord }): ReactNode {
  const data = structuredData(call.analysis);
  if (call.summary === null && data.length === 0 && call.success_evaluation === null) return null;
  return (
    <section className="panel" aria-labelledby="summary-title">
      <h2 id="summary-title">Summary</h2>
      {call.summary && <p id="summary">{call.summary}</p>}
      <Pairs pairs={[...(call.success_evaluation ? [["Evaluation", call.success_evaluation] as [string, string]] : []), ...data]} />
    </section>
  );
}

const SOURCES: Readonly<Record<string, string>> = { provider: "found by the provider's analysis", model: "found by a model", rules: "found by rules" };

function ActionItems({ call }: { call: CallRecord }): ReactNode {
  return (
    <section className="panel" aria-labelledby="actions-title">
      <h2 id="actions-title">To do {call.actions.length > 0 && <span className="count">{call.actions.length}</span>}</h2>
      {call.actions.length === 0 ? (
        <p className="note">{call.processed_at ? "Nothing is to be done after this call." : "What is to be done is found once the report is processed."}</p>
      ) : (
        <ul className="to-do">
          {call.actions.map((each, at) => (
            <li key={at}>
              {each.text} <span className="note">{SOURCES[each.source] ?? each.source}</span>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function Costs({ call }: { call: CallRecord }): ReactNode {
  const parts = costParts(call.costs);
  return (
    <section className="panel" aria-labelledby="cost-title">
      <h2 id="cost-title">
        Cost at the provider <span className="count">{costWords(call.cost_usd)}</span>
      </h2>
      {parts.length === 0 ? <p className="note">Its parts are not told.</p> : <Pairs pairs={parts.map(([name, value]) => [name, `$${value.toFixed(4)}`])} isNumber />}
    </section>
  );
}

function Pairs({ pairs, isNumber = false }: { pairs: readonly [string, string][]; isNumber?: boolean }): ReactNode {
  if (pairs.length === 0) return null;
  return (
    <dl className="facts" data-number={isNumber}>
      {pairs.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
