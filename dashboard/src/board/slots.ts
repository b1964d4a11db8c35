/** What holds the organization's slots, as the API tells it, and what is done beyond the limit. */

import { api, organizationPath } from "../api/client.ts";
import { counted } from "../calls/format.ts";

export interface Slot {
  call_id: string;
  state: "reserved" | "live";
  since: string;
  evidence: "confirmed" | "quiet" | "unconfirmed";
  evidence_at: string;
}

export interface SlotLedger {
  limit: number | null;
  in_use: number;
  reserved: number;
  minutes: { cap: number | null; policy: "notify" | "block-outbound" | "block"; used: number | null };
  slots: Slot[];
}

interface SlotReleased {
  call_id: string;
  result: "released" | "already-ended";
}

/** Frees the slot of a call that seems to be gone; safe to repeat. The call goes on, and a newer sign of it takes one again. */
export function releaseSlot(organizationId: string, callId: string, reason: string): Promise<SlotReleased> {
  return api<SlotReleased>(organizationPath(organizationId, "slots", callId, "release"), { method: "POST", body: { reason } });
}

export const isFull = ({ limit, in_use }: SlotLedger): boolean => limit !== null && in_use >= limit;

const BEYOND_MINUTES: Readonly<Record<SlotLedger["minutes"]["policy"], string>> = {
  notify: "Beyond the plan's minutes calls go on being taken; it is told.",
  "block-outbound": "Beyond the plan's minutes no call is placed; inbound calls are taken.",
  block: "Beyond the plan's minutes no new call is taken or placed.",
};

export function policyWords({ limit, minutes }: SlotLedger): string[] {
  const said = [
    limit === null
      ? "There is no limit of calls at once."
      : `Beyond ${counted(limit, "call")} at once a new one is refused: who calls hears your refusal message or is sent to its destination, and no call is placed.`,
  ];
  if (minutes.cap !== null) said.push(BEYOND_MINUTES[minutes.policy]);
  return [...said, "Calls that go on are never cut off."];
}
