/** What the API knows of one call beyond the board: read when it is opened, and again when its record changes or somebody signs in anew. */

import { useCallback, useEffect, useState } from "react";
import { api, organizationPath } from "../api/client.ts";
import { useSession } from "../api/session.ts";
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

export interface DetailState {
  detail: CallDetail | null;
  fault: string | null;
  reload: () => void;
}

const SETTLE_MS = 400;

export function useCallDetail(organizationId: string, callId: string, version: string): DetailState {
  const [told, setTold] = useState<{ detail: CallDetail | null; fault: string | null }>({ detail: null, fault: null });
  const [asked, setAsked] = useState(0);
  const isFirst = told.detail === null;
  const isSignedIn = useSession().status === "signed-in";
  useEffect(() => {
    if (!isSignedIn) return;
    const stopped = new AbortController();
    const read = async (): Promise<void> => {
      try {
        const detail = await api<CallDetail>(organizationPath(organizationId, "calls", callId), { signal: stopped.signal });
        setTold({ detail, fault: null });
      } catch (error) {
        if (!stopped.signal.aborted) setTold((held) => ({ ...held, fault: error instanceof Error ? error.message : String(error) }));
      }
    };
    // Changes come in bursts: the last of them is read.
    const timer = setTimeout(() => void read(), isFirst ? 0 : SETTLE_MS);
    return () => {
      clearTimeout(timer);
      stopped.abort();
    };
    // `isFirst` only chooses the delay.
    // oxlint-disable-next-line react-hooks/exhaustive-deps
  }, [organizationId, callId, version, asked, isSignedIn]);
  const reload = useCallback(() => setAsked((n) => n + 1), []);
  return { ...told, reload };
}

export function addNote(organizationId: string, callId: string, text: string, key: string): Promise<CallNote> {
  const path = organizationPath(organizationId, "calls", callId, "notes");
  return api<CallNote>(path, { method: "POST", body: { text }, idempotencyKey: key });
}
