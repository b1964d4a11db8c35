/**
 * The live board outside React: frames are folded as they come, and readers are told at most four times a second,
 * not at all while the page is hidden. What is held is bounded by what the server keeps of an organization.
 */

import { createContext, useContext, useEffect, useState, useSyncExternalStore } from "react";
import { applied, type Board, EMPTY_BOARD, isOpen, showsHole } from "./board.ts";
import { follow } from "./connection.ts";
import { boardTime, FIRST_LINK, heardFrame, type Link, type Liveness, livenessOf, lost } from "./link.ts";
import type { LiveFrame, LiveIncident } from "./protocol.ts";

const COALESCE_MS = 250;
const OVER_SHOWN_MS = 60_000;

export interface Live {
  board: Board;
  link: Link;
  /** Incidents that ended within the last minute, to be shown as such. */
  over: readonly LiveIncident[];
  refused: "signed-out" | "not-permitted" | null;
}

/** Is given the board, and the server's time. */
export type BoardFollower = (board: Board, serverNow: number) => void;

export class LiveStore {
  private live: Live = { board: EMPTY_BOARD, link: FIRST_LINK, over: [], refused: null };
  private shown: Live = this.live;
  private readonly listeners = new Set<() => void>();
  private readonly followers = new Set<BoardFollower>();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private stopFollowing: (() => void) | undefined;

  /** `refused` is called when whoever looks may not watch, or not any more. */
  constructor(
    readonly organizationId: string,
    private readonly refused: () => void,
  ) {}

  /** Begins, or begins again after `refused`; what is known stays and is resumed from. */
  start(): void {
    this.stop();
    this.live = { ...this.live, refused: null };
    document.addEventListener("visibilitychange", this.tellVisible);
    this.stopFollowing = follow(this.organizationId, {
      position: () => this.live.board.position,
      frame: (frame) => this.heard(frame),
      lost: (retryAt) => this.become({ ...this.live, link: lost(this.live.link, retryAt) }),
      refused: (why) => {
        // What may not be seen any more is not kept; the board of a session that ended stands still.
        const left = why === "not-permitted" ? { board: EMPTY_BOARD, over: [] } : {};
        this.become({ ...this.live, ...left, link: lost(this.live.link, Date.now()), refused: why });
        if (why === "not-permitted") this.refused();
      },
    });
  }

  stop(): void {
    this.stopFollowing?.();
    this.stopFollowing = undefined;
    clearTimeout(this.timer);
    this.timer = undefined;
    document.removeEventListener("visibilitychange", this.tellVisible);
  }

  readonly subscribe = (told: () => void): (() => void) => {
    this.listeners.add(told);
    return () => this.listeners.delete(told);
  };

  /** Tells the board as it is and after each frame, on a hidden page too: for what is heard and not seen. */
  readonly onBoard = (follower: BoardFollower): (() => void) => {
    this.followers.add(follower);
    follower(this.live.board, Date.now() + this.live.link.skewMs);
    return () => this.followers.delete(follower);
  };

  readonly current = (): Live => this.shown;

  private heard(frame: LiveFrame): boolean {
    if (showsHole(this.live.board.position, frame)) return false;
    const now = Date.now();
    const ended = frame.type === "events" ? frame.events.flatMap((event) => (event.type === "incident" && !isOpen(event.incident) ? [event.incident] : [])) : [];
    const link = heardFrame(this.live.link, frame, now);
    const over = overAfter(this.live.over, ended, now + link.skewMs);
    this.become({ ...this.live, board: applied(this.live.board, frame), link, over });
    for (const follower of this.followers) follower(this.live.board, now + link.skewMs);
    return true;
  }

  private become(next: Live): void {
    const isFirst = this.shown.board.position === null && next.board.position !== null;
    this.live = next;
    if (isFirst) this.tell();
    else this.timer ??= setTimeout(this.tell, COALESCE_MS);
  }

  private readonly tell = (): void => {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (document.hidden && this.shown.board.position !== null) return;
    this.shown = this.live;
    for (const told of this.listeners) told();
  };

  private readonly tellVisible = (): void => {
    if (!document.hidden) this.tell();
  };
}

/** Incidents that ended within the last minute, each once however often it is told. */
export function overAfter(over: readonly LiveIncident[], ended: readonly LiveIncident[], serverNow: number): readonly LiveIncident[] {
  const told = new Map([...over, ...ended].map((each) => [each.incident_id, each]));
  return [...told.values()].filter((each) => isFresh(each, serverNow));
}

const isFresh = (incident: LiveIncident, serverNow: number): boolean =>
  serverNow - Date.parse(incident.recovered_at ?? incident.resolved_at ?? "") < OVER_SHOWN_MS;

export const LiveContext = createContext<LiveStore | null>(null);

export function useLiveStore(): LiveStore {
  const store = useContext(LiveContext);
  if (store === null) throw new Error("no LiveContext above");
  return store;
}

export function useLive(): Live {
  const store = useLiveStore();
  return useSyncExternalStore(store.subscribe, store.current);
}

/** This machine's time, told anew every `everyMs`. Ticking is local: no message is sent or read for it. */
export function useTick(everyMs: number): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}

export interface Clock {
  /** The server's time that ages are counted to; it stands still on a stale board. */
  now: number;
  liveness: Liveness;
}

/** `isStopped`: nothing comes any more, so the board stands at what was last heard, without waiting to be stale. */
export function useClock(link: Link, isStopped = false): Clock {
  const tick = useTick(1_000);
  // A frame may be newer than the last tick.
  const now = Math.max(tick, link.heardAt ?? 0);
  if (isStopped && link.heardAt !== null) return { now: link.heardAt + link.skewMs, liveness: { state: "stale", sinceAt: link.heardAt } };
  return { now: boardTime(link, now), liveness: livenessOf(link, now) };
}
