/** A call as one conversation: what was said, with tool calls, transfers, commands and faults where they happened. */

import { speakerOf } from "../calls/facts.ts";
import { words } from "../calls/format.ts";
import type { UtteranceView } from "../live/protocol.ts";
import type { CallDetail, TimelineEntry } from "./detail.ts";

export interface Line {
  key: string;
  at: string;
  kind: "said" | "event" | "fault";
  /** `Caller`, `Assistant`, or what the event is. */
  who: string;
  text: string;
  isFinal: boolean;
  /** Where in the recording it is heard, in seconds; absent where nothing told it. */
  offset?: number;
}

/** One turn as the report told it, in this product's own terms (workflows/vendors/vapi_wire.py). */
export interface Turn {
  role: string;
  text?: string;
  at?: number;
  seconds_from_start?: number;
  duration_ms?: number;
  tool_calls?: { id: string; name: string; arguments: unknown }[];
  name?: string;
}

export function linesOf(utterances: readonly UtteranceView[], detail: CallDetail | null): Line[] {
  const told = detail ? messageLines(detail.messages) : [];
  // The report tells all that was said, and exactly; before it there is what was heard.
  const said = told.some((line) => line.kind === "said") ? told : utterances.map(heardLine);
  const events = detail ? detail.timeline.flatMap((entry, at) => eventLine(entry, at)) : [];
  const isToldOfTools = said.some((line) => line.who === "Tool");
  const kept = isToldOfTools ? events.filter((line) => line.who !== "Tool") : events;
  return [...said, ...kept].toSorted((a, b) => Date.parse(a.at) - Date.parse(b.at));
}

function heardLine(said: UtteranceView, at: number): Line {
  return { key: `heard-${said.at}-${said.role}-${at}`, at: said.at, kind: "said", who: speakerOf(said.role), text: said.text, isFinal: said.final };
}

const RESULT_LENGTH = 400;

function messageLines(turns: readonly Turn[]): Line[] {
  return turns.flatMap((turn, index): Line[] => {
    if (turn.at === undefined) return [];
    const { seconds_from_start: offset } = turn;
    const line = { key: `told-${index}`, at: new Date(turn.at).toISOString(), isFinal: true, ...(offset === undefined ? {} : { offset }) };
    if (turn.role === "tool_calls") return [{ ...line, kind: "event", who: "Tool", text: toolWords(turn.tool_calls ?? []) }];
    if (turn.role === "tool_result") {
      return [{ ...line, kind: "event", who: "Tool", text: `${turn.name ?? "it"} answered ${(turn.text ?? "nothing").slice(0, RESULT_LENGTH)}` }];
    }
    return turn.text === undefined ? [] : [{ ...line, kind: "said", who: speakerOf(turn.role), text: turn.text }];
  });
}

function toolWords(calls: NonNullable<Turn["tool_calls"]>): string {
  return calls.map((each) => `${each.name}(${textOf(each.arguments)})`).join(", ") || "called";
}

/** What of the timeline belongs into the conversation; statuses and reports do not. */
function eventLine(entry: TimelineEntry, index: number): Line[] {
  const details = entry.details ?? {};
  const line = { key: `event-${index}`, at: entry.occurred_at ?? entry.received_at, isFinal: true };
  switch (entry.type) {
    case "tool-calls":
      return [{ ...line, kind: "event", who: "Tool", text: Array.isArray(details["tools"]) ? details["tools"].join(", ") : "called" }];
    case "hang":
      return [{ ...line, kind: "fault", who: "Hang", text: "the assistant kept the caller waiting" }];
    case "transfer-update":
    case "transfer-destination-request":
      return [{ ...line, kind: "event", who: "Transfer", text: textOf(details["destination"]) || "asked for" }];
    case "call-control":
      return [controlLine(line, details)];
    default:
      return entry.type.endsWith("-failed") || entry.type === "state-repaired"
        ? [{ ...line, kind: "fault", who: words(entry.type), text: textOf(details["reason"]) || textOf(details["step"]) }]
        : [];
  }
}

function controlLine(line: Pick<Line, "key" | "at" | "isFinal">, details: Record<string, unknown>): Line {
  const isDone = details["result"] === "done" || details["result"] === "already_ended";
  const told = [textOf(details["action"]), textOf(details["content"]) && `“${textOf(details["content"])}”`, textOf(details["reason"])];
  const outcome = isDone ? "" : ` (${[words(textOf(details["result"])), textOf(details["provider_message"])].filter(Boolean).join(": ")})`;
  return { ...line, kind: isDone ? "event" : "fault", who: "Supervisor", text: told.filter(Boolean).join(": ") + outcome };
}

function textOf(value: unknown): string {
  if (value === null || value === undefined) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}
