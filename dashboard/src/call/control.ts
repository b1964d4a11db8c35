/** Commands for a call that goes on. They are HTTP: they work while the live feed is away, and say so. */

import { api, organizationPath } from "../api/client.ts";

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

export function commandCall(organizationId: string, callId: string, command: Command): Promise<ControlResult> {
  const path = organizationPath(organizationId, "calls", callId, "control");
  return api<ControlResult>(path, { method: "POST", body: command, idempotencyKey: crypto.randomUUID() });
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
  if (result === "already_ended") return "The call had already ended.";
  return (DONE as Record<string, string>)[action] ?? "Done.";
}
