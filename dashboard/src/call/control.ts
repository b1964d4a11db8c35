/** Commands for a call that goes on. They are HTTP: they work while the live feed is away, and say so. */

import { api, organizationPath } from "../api/client.ts";
import { words } from "../calls/format.ts";
import type { TimelineEntry } from "./detail.ts";
import type { BoardCall } from "../live/protocol.ts";

export type Command =
  | { action: "say"; content: string }
  | { action: "whisper"; content: string }
  | { action: "mute" | "unmute"; whom: "assistant" | "customer" }
  | { action: "transfer"; destination: { type: "number"; number: string } | { type: "sip"; sip_uri: string }; content?: string }
  | { action: "end"; reason: string };

export interface ControlResult {
  call_id: string;
  action: string;
  result: "done" | "already_ended";
}

export function commandCall(organizationId: string, callId: string, command: Command, key: string): Promise<ControlResult> {
  const path = organizationPath(organizationId, "calls", callId, "control");
  return api<ControlResult>(path, { method: "POST", body: command, idempotencyKey: key });
}

/** Where a call may go: a number in E.164 or a SIP address; null when it is neither. */
export function destinationOf(text: string): Extract<Command, { action: "transfer" }>["destination"] | null {
  const told = text.replaceAll(/[\s()-]/g, "");
  if (/^\+[1-9]\d{6,14}$/.test(told)) return { type: "number", number: told };
  if (/^sips?:[\x21-\x7e]{1,490}$/.test(told)) return { type: "sip", sip_uri: told };
  return null;
}

const DONE: Readonly<Record<Command["action"], string>> = {
  say: "The assistant was told to say it.",
  whisper: "The assistant was told; the caller hears nothing of it.",
  mute: "Muted.",
  unmute: "Unmuted.",
  transfer: "The transfer was asked for.",
  end: "The call was ended.",
};

export function resultWords({ action, result }: ControlResult): string {
  // Whoever wanted it to end has what they wanted.
  if (result === "already_ended") return "It had already ended.";
  return (DONE as Record<string, string>)[action] ?? "Done.";
}

/** Of the call's history: each time the assistant was muted (true) or unmuted, oldest first, whoever did it. */
export function mutesOf(timeline: readonly Pick<TimelineEntry, "type" | "details">[]): readonly boolean[] {
  return timeline.flatMap(({ type, details }) => {
    const { action, result, whom } = details ?? {};
    const isMute = action === "mute" || action === "unmute";
    return type === "call-control" && isMute && result === "done" && whom !== "customer" ? [action === "mute"] : [];
  });
}

const ENDERS: readonly [RegExp, string][] = [
  [/^customer-/, "by caller"],
  [/^assistant-(said|ended|forwarded)/, "by assistant"],
  [/^manually-canceled$/, "by a supervisor"],
];

/** That it ended before it was to be ended, how long before and by whom; `askedAt` is the server's time. */
export function racedWords(call: Pick<BoardCall, "status" | "ended_at" | "ended_reason">, askedAt: number): string {
  if (call.status !== "ended" || call.ended_at === null) return "It had already ended.";
  const seconds = Math.max(0, Math.round((askedAt - Date.parse(call.ended_at)) / 1000));
  const reason = call.ended_reason;
  const by = reason === null ? "" : ` ${ENDERS.find(([known]) => known.test(reason))?.[1] ?? `(${words(reason)})`}`;
  return `It had already ended ${seconds} s earlier${by}.`;
}
