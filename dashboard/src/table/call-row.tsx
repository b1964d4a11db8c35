/** One call in the table. */

import { memo, type ReactNode } from "react";
import { SEVERITIES } from "../calls/alarms.ts";
import { ageMs, callerOf, endedAt, type Evidence, evidenceOf, lineOf, silenceMs, SILENT_MS, speakerOf, stateWords } from "../calls/facts.ts";
import { clock, dollars, NOTHING, ofMs, words } from "../calls/format.ts";
import type { CallRow } from "../calls/rows.ts";

const EVIDENCE: Readonly<Record<Evidence, string>> = { confirmed: "●", quiet: "◌", unconfirmed: "?" };

export interface CallRowProps {
  row: CallRow;
  index: number;
  top: number;
  /** The server's time in whole seconds: a row is drawn anew when it or its call changes. */
  second: number;
  isOpen: boolean;
  isActive: boolean;
  isNew: boolean;
  open: (callId: string) => void;
}

export const CallRowView = memo(function CallRowView({ row, index, top, second, isOpen, isActive, isNew, open }: CallRowProps): ReactNode {
  const { call, incidents } = row;
  const isEnded = call.status === "ended";
  const now = isEnded ? Date.parse(endedAt(call)) : second * 1000 + 999;
  const worst = incidents[0];
  const silence = silenceMs(call, now);
  const said = call.utterances.at(-1);
  const sure = evidenceOf(call, now);
  const line = lineOf(call);
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
      <div role="cell" className="c-state">
        <span className="pill" data-status={call.status}>
          {stateWords(call)}
        </span>
        {worst && (
          <span className="alarm-mark" data-severity={worst.severity} title={words(worst.rule)}>
            {SEVERITIES[worst.severity].shape} {words(worst.rule)}
          </span>
        )}
      </div>
      <div role="cell" className="c-caller">
        <button type="button" className="link caller" tabIndex={isActive ? 0 : -1} data-open={call.call_id}>
          {callerOf(call)}
        </button>
        <span className="note">{[call.direction, line && `${call.direction === "outbound" ? "from" : "to"} ${line}`].filter(Boolean).join(" ")}</span>
      </div>
      <div role="cell" className="c-assistant">{call.assistant_name ?? NOTHING}</div>
      <div role="cell" className="c-age number">{clock(ageMs(call, now))}</div>
      <div role="cell" className="c-silence number">
        {silence === null ? NOTHING : clock(silence)}
        {silence !== null && silence > SILENT_MS && !isEnded && <span className="warn"> silent</span>}
      </div>
      <div role="cell" className="c-said">
        {said ? (
          <>
            <span className="who">{speakerOf(said.role)}</span> <span className={said.final ? "" : "partial"}>{said.text}</span>
          </>
        ) : (
          <span className="note">{NOTHING}</span>
        )}
      </div>
      <div role="cell" className="c-latency number">{ofMs(call.conversation.turn_latency_p95_ms)}</div>
      <div role="cell" className="c-tools number">
        {call.tool_calls || NOTHING}
        {call.conversation.tools_failed > 0 && <span className="warn"> {call.conversation.tools_failed} failed</span>}
      </div>
      <div role="cell" className="c-cost number">{dollars(call.cost_usd)}</div>
      <div role="cell" className="c-evidence" data-sure={sure}>
        {EVIDENCE[sure]} {sure}
      </div>
    </div>
  );
});
