/** How live the board is, as a pure function of what was heard and when. All times here are this machine's, in ms. */

import type { LiveFrame } from "./protocol.ts";

/** Heartbeats come every five seconds: two missed are as good as a lost connection. */
export const STALE_MS = 10_000;

export interface Link {
  phase: "connecting" | "live" | "reconnecting";
  heardAt: number | null;
  /** Since when the hub itself cannot read the feed; null while it can. */
  blindAt: number | null;
  retryAt: number | null;
  /** Server's clock minus ours. */
  skewMs: number;
  /** What the last coming back brought: what was missed comes in several frames, and a heartbeat after the last. */
  caughtUp: { kind: "events" | "snapshot"; events: number; at: number; isWhole: boolean } | null;
}

export const FIRST_LINK: Link = { phase: "connecting", heardAt: null, blindAt: null, retryAt: null, skewMs: 0, caughtUp: null };

export function heardFrame(link: Link, frame: LiveFrame, now: number): Link {
  const live: Link = { ...link, phase: "live", heardAt: now, retryAt: null, caughtUp: caughtUpAfter(link, frame, now) };
  switch (frame.type) {
    case "heartbeat":
      return { ...live, skewMs: Date.parse(frame.time) - now, blindAt: frame.current ? null : (link.blindAt ?? now) };
    case "events":
    case "snapshot":
      return { ...live, blindAt: null };
    default:
      return live;
  }
}

function caughtUpAfter(link: Link, frame: LiveFrame, now: number): Link["caughtUp"] {
  const begun = link.phase === "reconnecting" ? { kind: "events" as const, events: 0, at: now, isWhole: false } : link.caughtUp;
  if (begun === null || begun.isWhole) return begun;
  switch (frame.type) {
    case "heartbeat":
      return { ...begun, isWhole: true };
    case "events":
      return { ...begun, events: begun.events + frame.events.length };
    case "snapshot":
      return { ...begun, kind: "snapshot" };
    default:
      return begun;
  }
}

export function lost(link: Link, retryAt: number): Link {
  return { ...link, phase: link.heardAt === null ? "connecting" : "reconnecting", retryAt };
}

export type Liveness =
  | { state: "connecting" }
  | { state: "live"; heardMs: number }
  | { state: "reconnecting"; retryMs: number | null }
  | { state: "stale"; sinceAt: number };

export function livenessOf(link: Link, now: number): Liveness {
  if (link.heardAt === null) return { state: "connecting" };
  const quietFrom = Math.min(link.heardAt, link.blindAt ?? link.heardAt);
  if (now - quietFrom >= STALE_MS) return { state: "stale", sinceAt: quietFrom };
  if (link.phase === "live" && link.blindAt === null) return { state: "live", heardMs: now - link.heardAt };
  return { state: "reconnecting", retryMs: link.retryAt === null ? null : Math.max(0, link.retryAt - now) };
}

/** What clocks on the board go by: the server's now, or the last moment known of a board that is stale. */
export function boardTime(link: Link, now: number): number {
  const liveness = livenessOf(link, now);
  return (liveness.state === "stale" ? liveness.sinceAt : now) + link.skewMs;
}
