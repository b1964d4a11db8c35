/** What a page read from the API, and where the reading stands. What was read stays on screen while it is read again. */

import { useCallback, useEffect, useRef, useState } from "react";
import { type Asked, faultOf, Problem, SignedOut, tagged } from "./client.ts";
import { useSession } from "./session.ts";

export type Reading<T> =
  | { status: "loading" }
  | { status: "failed"; fault: string }
  | { status: "not-permitted"; fault: string }
  | { status: "missing"; fault: string }
  /** `fault`: why the last reading again came to nothing. */
  | { status: "ready"; value: T; etag?: string | undefined; fault: string | null };

export interface Read<T> {
  reading: Reading<T>;
  reload: () => void;
}

/** When it is read again, beside on demand. */
export interface Again {
  everyMs?: number | undefined;
  /** Names the state of what is read, by whoever hears of its changes: another name, another reading. */
  version?: string | number | undefined;
}

/** Changes come in bursts: the last of them is read. */
const SETTLE_MS = 400;

/** What was read; null of what was not. */
export const valueOf = <T>(reading: Reading<T>): T | null => (reading.status === "ready" ? reading.value : null);

/** Where a reading stands after a fault: what was held is kept, unless it may not be seen any more. */
export function afterFault<T>(held: Reading<T>, error: unknown): Reading<T> {
  const fault = faultOf(error);
  if (error instanceof Problem && error.status === 403) return { status: "not-permitted", fault };
  if (error instanceof Problem && error.status === 404) return { status: "missing", fault };
  // The shell asks to sign in again; the page waits as it is.
  if (error instanceof SignedOut) return held;
  return held.status === "ready" ? { ...held, fault } : { status: "failed", fault };
}

/** Reads `path`, and again when the query changes, when somebody signs in anew, and as `again` says. Null reads nothing. */
export function useReading<T>(path: string | null, query: NonNullable<Asked["query"]> = {}, { everyMs, version }: Again = {}): Read<T> {
  const of = path === null ? null : JSON.stringify([path, query]);
  const [held, setHeld] = useState<{ of: string | null; reading: Reading<T> }>({ of, reading: { status: "loading" } });
  const [asked, setAsked] = useState(0);
  const isSignedIn = useSession().status === "signed-in";
  const known = useRef({ of, version });
  useEffect(() => {
    const isChange = known.current.of === of && known.current.version !== version;
    known.current = { of, version };
    if (of === null || !isSignedIn) return;
    const stopped = new AbortController();
    const [from, filters] = JSON.parse(of) as [string, NonNullable<Asked["query"]>];
    let isAsked = false;
    const read = async (): Promise<void> => {
      // One at a time: of two a late answer would take the place of a newer one.
      if (isAsked) return;
      isAsked = true;
      try {
        const told = await tagged<T>(from, { query: filters, signal: stopped.signal });
        setHeld({ of, reading: { status: "ready", ...told, fault: null } });
      } catch (error) {
        if (stopped.signal.aborted) return;
        setHeld((before) => ({ of, reading: afterFault(before.of === of ? before.reading : { status: "loading" }, error) }));
      } finally {
        isAsked = false;
      }
    };
    const settling = isChange ? setTimeout(() => void read(), SETTLE_MS) : void read();
    const timer = everyMs === undefined ? undefined : setInterval(() => !document.hidden && void read(), everyMs);
    return () => {
      clearTimeout(settling);
      clearInterval(timer);
      stopped.abort();
    };
  }, [of, asked, isSignedIn, everyMs, version]);
  const reload = useCallback(() => setAsked((n) => n + 1), []);
  return { reading: held.of === of ? held.reading : { status: "loading" }, reload };
}
