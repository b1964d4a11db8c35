/** What the API knows of one call beyond the board. */

import { api, organizationPath } from "../api/client.ts";
import type { Turn } from "./lines.ts";

export interface TimelineEntry {
  type: string;
  provider: string;
  status: string | null;
  occurred_at: string | null;
  received_at: string;
  deliveries: number;
  details: Record<string, unknown> | null;
}

export interface CallNote {
  note_id: string;
  author: string;
  text: string;
  created_at: string;
}

export interface CallDetail {
  summary: string | null;
  messages: Turn[];
  notes: CallNote[];
  timeline: TimelineEntry[];
  actions: { text: string; source: string }[];
  recording: { url: string } | null;
}

export function addNote(organizationId: string, callId: string, text: string, key: string): Promise<CallNote> {
  const path = organizationPath(organizationId, "calls", callId, "notes");
  return api<CallNote>(path, { method: "POST", body: { text }, idempotencyKey: key });
}
