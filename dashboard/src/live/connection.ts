/** A connection to the live hub that resumes where it was cut, for as long as it is wanted. */

import { api, organizationPath, Problem, SignedOut } from "../api/client.ts";
import type { LiveFrame } from "./protocol.ts";

/** Three heartbeats missed: dead, whatever the browser believes. */
const SILENCE_MS = 15_000;
const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 20_000;
const REFUSED = new Set([403, 404]);

export interface Listener {
  /** The position to resume from; null for a snapshot. */
  position(): string | null;
  /** Takes a frame; false when one before it never came, and what is missing is to be fetched. */
  frame(frame: LiveFrame): boolean;
  /** The connection is gone; the next attempt comes by itself, at `retryAt` (ms) on this machine's clock. */
  lost(retryAt: number): void;
  /** Coming back is of no use: the hub or the API said so. */
  refused(why: "signed-out" | "not-permitted"): void;
}

interface Ticket {
  url: string;
}

export interface As {
  /** A key in place of the session. */
  bearer?: string;
  /** Figures only, nothing of any caller. */
  view?: "wallboard";
}

/** Follows an organization's feed; returns how to stop. */
export function follow(organizationId: string, listener: Listener, as: As = {}): () => void {
  const stopped = new AbortController();
  void run(organizationId, listener, as, stopped.signal);
  return () => stopped.abort();
}

async function run(organizationId: string, listener: Listener, { bearer, view }: As, stopped: AbortSignal): Promise<void> {
  let attempt = 0;
  const heard = (frame: LiveFrame): boolean => {
    attempt = 0;
    return listener.frame(frame);
  };
  while (!stopped.aborted) {
    try {
      const ticket = await api<Ticket>(organizationPath(organizationId, "live-tickets"), { method: "POST", bearer, signal: stopped });
      const url = new URL(ticket.url);
      if (view) url.searchParams.set("view", view);
      const code = await listen(url, listener.position(), heard, stopped);
      if (code >= 4500 && code < 5000) {
        listener.refused("not-permitted");
        return;
      }
    } catch (error) {
      if (stopped.aborted) return;
      if (error instanceof SignedOut || (error instanceof Problem && REFUSED.has(error.status))) {
        listener.refused(error instanceof SignedOut ? "signed-out" : "not-permitted");
        return;
      }
    }
    if (stopped.aborted) return;
    const delay = retryDelay(attempt++, Math.random());
    listener.lost(Date.now() + delay);
    await pause(delay, stopped);
  }
}

/** Full jitter: a crowd that was cut at once comes back spread out. `jitter` is from [0, 1). */
export function retryDelay(attempt: number, jitter: number): number {
  return jitter * Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(attempt, 10));
}

function listen(url: URL, after: string | null, heard: (frame: LiveFrame) => boolean, stopped: AbortSignal): Promise<number> {
  if (after !== null) url.searchParams.set("after", after);
  return new Promise((resolve) => {
    const socket = new WebSocket(url);
    let silence: ReturnType<typeof setTimeout> | undefined;
    const end = (code: number): void => {
      clearTimeout(silence);
      stopped.removeEventListener("abort", abort);
      socket.onclose = socket.onmessage = null;
      socket.close();
      resolve(code);
    };
    const abort = (): void => end(0);
    const wait = (): void => {
      clearTimeout(silence);
      silence = setTimeout(() => end(0), SILENCE_MS);
    };
    stopped.addEventListener("abort", abort);
    wait();
    socket.onclose = (event) => end(event.code);
    socket.onmessage = (message: MessageEvent<string>) => {
      wait();
      if (!heard(JSON.parse(message.data) as LiveFrame)) end(0);
    };
  });
}

function pause(ms: number, stopped: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      stopped.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    stopped.addEventListener("abort", end);
  });
}
