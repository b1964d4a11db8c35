/** One call in the table. */

import { memo, type ReactNode } from "react";
import { TagList } from "../call/tag-list.tsx";
import { tagsOf } from "../call/tags.ts";
import { SEVERITIES } from "../calls/alarms.ts";
import { ageMs, callerOf, endedAt, type Evidence, evidenceOf, silenceMs, SILENT_MS, speakerOf, stateWords, wayWords } from "../calls/facts.ts";
import { clock, dollars, NOTHING, ofMs, words } from "../calls/format.ts";
import type { CallRow } from "../calls/rows.ts";
import { actingWords, namesOf, othersOf } from "../presence/words.ts";
import type { Column } from "./columns.ts";

const EVIDENCE: Readonly<Record<Evidence, string>> = { confirmed: "●", quiet: "○", unconfirmed: "?" };

export interface CallRowProps {
  row: CallRow;
  columns: readonly Column[];
  index: number;
  top: number;
  /** The server's time in whole seconds: a row is drawn anew when it or its call changes. */
  second: number;
  /** Whom presence calls whoever looks. */
  me: string | null;
  isOpen: boolean;
  isActive: boolean;
  isNew: boolean;
  open: (callId: string) => void;
}

export const CallRowView = memo(function CallRowView({ row, columns, me, index, top, second, isOpen, isActive, isNew, open }: CallRowProps): ReactNode {
  const { call, incidents, actor, watchers } = row;
  const others = othersOf(watchers, me);
  const isEnded = call.status === "ended";
  const now = isEnded ? Date.parse(endedAt(call)) : second * 1000 + 999;
  const worst = incidents[0];
  const silence = silenceMs(call, now);
  const said = call.utterances.at(-1);
  const sure = evidenceOf(call, now);
  const cells: Readonly<Record<string, ReactNode>> = {
    state: (
      <>
        <span className="pill" data-status={call.status}>
          {stateWords(call)}
        </span>
        {worst && (
          <span className="alarm-mark" data-severity={worst.severity} title={words(worst.rule)}>
            {SEVERITIES[worst.severity].shape} {words(worst.rule)}
          </span>
        )}
      </>
    ),
    caller: (
      <>
        <button type="button" className="link caller" tabIndex={isActive ? 0 : -1} data-open={call.call_id}>
          {callerOf(call)}
        </button>
        {others.length > 0 && (
          <span className="watched" title={`Has it open: ${namesOf(others, me)}`}>
            <span aria-hidden="true">◉ {others.length}</span>
            <span className="hidden">, {namesOf(others, me)} watching</span>
          </span>
        )}
        <span className="note">{actor ? <span className="acting">{actingWords(actor, me)}</span> : wayWords(call)}</span>
      </>
    ),
    assistant: <span className="two-lines">{call.assistant_name ?? NOTHING}</span>,
    age: clock(ageMs(call, now)),
    silence: (
      <>
        {silence === null ? NOTHING : clock(silence)}
        {silence !== null && silence > SILENT_MS && !isEnded && <span className="warn"> silent</span>}
      </>
    ),
    said: (
      <>
        {said ? (
          <>
            <span className="who">{speakerOf(said.role)}</span> <span className={said.final ? "" : "partial"}>{said.text}</span>
          </>
        ) : (
          <span className="note">{NOTHING}</span>
        )}
      </>
    ),
    latency: ofMs(call.conversation.turn_latency_p95_ms),
    tools: (
      <>
        {call.tool_calls || NOTHING}
        {call.conversation.tools_failed > 0 && <span className="warn"> {call.conversation.tools_failed} failed</span>}
      </>
    ),
    cost: dollars(call.cost_usd),
    evidence: (
      <>
        {EVIDENCE[sure]} {sure}
      </>
    ),
    watchers: watchers.length === 0 ? NOTHING : namesOf(watchers, me),
    tags: tagsOf(call).length === 0 ? NOTHING : <TagList tags={tagsOf(call)} />,
    campaign: call.campaign_id ?? NOTHING,
    id: call.call_id,
  };
  return (
    // Clicking anywhere opens it; by keyboard the button in it does.
    // oxlint-disable-next-line jsx-a11y/click-events-have-key-events, jsx-a11y/interactive-supports-focus
    <div
      role="row"
      aria-rowindex={index + 2}
      aria-selected={isOpen}
      className="row"
      data-call={call.call_id}
      data-severity={worst?.severity}
      data-ended={isEnded}
      data-active={isActive}
      data-new={isNew}
      style={{ transform: `translateY(${top}px)` }}
      onClick={() => open(call.call_id)}
    >
      {columns.map(({ key, isNumber }) => (
        <div key={key} role="cell" className={`c-${key} ${isNumber ? "number" : ""}`} data-sure={key === "evidence" ? sure : undefined}>
          {cells[key]}
        </div>
      ))}
    </div>
  );
});
