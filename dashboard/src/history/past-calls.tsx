/** The calls that were found, each with what was said around the words that were searched for. */

import type { ReactNode } from "react";
import { TagList } from "../call/tag-list.tsx";
import { callerOf } from "../calls/facts.ts";
import { dayAndTime } from "../calls/days.ts";
import { clock, dollars, NOTHING, words } from "../calls/format.ts";
import { Link } from "../shell/link.tsx";
import { linkTo, navigate } from "../shell/router.ts";
import type { Found, PastCall, SaidPart } from "./call-pages.ts";

const recordLink = (callId: string): string => linkTo(`/calls/${encodeURIComponent(callId)}`);

export function PastCalls({ found, timeZone }: { found: Found; timeZone: string }): ReactNode {
  return (
    <table className="past-calls">
      <thead>
        <tr>
          <th scope="col">First seen</th>
          <th scope="col">Caller</th>
          <th scope="col">Assistant</th>
          <th scope="col">How it ended</th>
          <th scope="col" className="number">
            Lasted
          </th>
          <th scope="col" className="number">
            Cost
          </th>
          <th scope="col">Report</th>
        </tr>
      </thead>
      {found.calls.map((call) => (
        <Row key={call.call_id} call={call} said={found.said[call.call_id] ?? []} timeZone={timeZone} />
      ))}
    </table>
  );
}

function Row({ call, said, timeZone }: { call: PastCall; said: readonly SaidPart[][]; timeZone: string }): ReactNode {
  const href = recordLink(call.call_id);
  const line = call.direction === "outbound" ? call.from_number : call.to_number;
  const blame = call.fault_owner && call.fault_owner !== "nobody" ? `fault: ${words(call.fault_owner)}` : null;
  return (
    // Clicking anywhere opens it; by keyboard the link in it does.
    // oxlint-disable-next-line jsx-a11y/click-events-have-key-events, jsx-a11y/no-noninteractive-element-interactions
    <tbody data-call={call.call_id} onClick={(event) => !event.defaultPrevented && getSelection()?.isCollapsed !== false && navigate(href)}>
      <tr>
        <td className="p-seen">
          <time dateTime={call.created_at}>{dayAndTime(call.created_at, timeZone)}</time>
          {call.archived && <span className="note">archived</span>}
        </td>
        <td className="p-caller">
          <Link className="link" href={href}>
            {callerOf(call)}
          </Link>
          <span className="note">{[call.direction, line && `${call.direction === "outbound" ? "from" : "to"} ${line}`].filter(Boolean).join(" ")}</span>
          <TagList tags={call.tags} />
        </td>
        <td className="p-assistant">{call.assistant_name ?? NOTHING}</td>
        <td className="p-ended">
          {call.status === "ended" ? (
            <span>{words(call.ended_reason ?? "reason not told")}</span>
          ) : (
            <span className="pill" data-status={call.status}>
              {words(call.status)}
            </span>
          )}
          <span className="note">{[call.ended_class && words(call.ended_class), blame].filter(Boolean).join(" · ")}</span>
        </td>
        <td className="number p-lasted">{call.duration_seconds !== null ? clock(call.duration_seconds * 1000) : call.status === "ended" ? <span className="note">not known</span> : NOTHING}</td>
        <td className="number p-cost">{dollars(call.cost_usd)}</td>
        <td className="p-report" data-report={call.report}>
          {call.report === "missing" ? "▲ missing" : call.processed_at ? "processed" : call.report}
        </td>
      </tr>
      {said.length > 0 && (
        <tr className="said-row">
          <td colSpan={7}>
            {said.map((parts, at) => (
              <p key={at} className="said">
                … {parts.map((part, index) => (part.match ? <mark key={index}>{part.text}</mark> : part.text))} …
              </p>
            ))}
          </td>
        </tr>
      )}
    </tbody>
  );
}
