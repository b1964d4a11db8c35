/** One answer of the API, held by whoever shows it: asked for at once, and again on demand. */

import { useCallback, useEffect, useState } from "react";
import { api, type Asked, Problem, SignedOut } from "./client.ts";

export interface Resource<T> {
  /** The last answer; it stays while the next is on its way, and after a fault, unless it may not be seen any more. */
  data: T | null;
  fault: Error | null;
  isLoading: boolean;
  reload: () => void;
}

/** Asks for `path`, and anew when it, the query or the session changes. A null path, or an expired session, asks nothing. */
export function useResource<T>(path: string | null, query: NonNullable<Asked["query"]>, isExpired: boolean): Resource<T> {
  const asked = path === null ? null : JSON.stringify([path, query]);
  const [told, setTold] = useState<{ asked: string | null; data: T | null; fault: Error | null }>({ asked: null, data: null, fault: null });
  const [round, setRound] = useState(0);
  useEffect(() => {
    if (asked === null || isExpired) return;
    const stopped = new AbortController();
    const [where, what] = JSON.parse(asked) as [string, NonNullable<Asked["query"]>];
    const ask = async (): Promise<void> => {
      try {
        const data = await api<T>(where, { query: what, signal: stopped.signal });
        setTold({ asked, data, fault: null });
      } catch (error) {
        if (stopped.signal.aborted || error instanceof SignedOut) return;
        const fault = error instanceof Error ? error : new Error(String(error));
        // What may not be seen any more is not kept.
        const isKept = !(error instanceof Problem && error.status === 403);
        setTold((held) => ({ asked, data: isKept && held.asked === asked ? held.data : null, fault }));
      }
    };
    void ask();
    return () => stopped.abort();
  }, [asked, isExpired, round]);
  const reload = useCallback(() => {
    setTold((held) => ({ ...held, fault: null }));
    setRound((n) => n + 1);
  }, []);
  const isCurrent = told.asked === asked;
  return { data: isCurrent ? told.data : null, fault: isCurrent ? told.fault : null, isLoading: !isCurrent || (told.data === null && told.fault === null), reload };
}
