/** Past calls page by page. The last list is kept, so that whoever comes back from a call finds it as it was. */

import { useCallback, useEffect, useRef, useState } from "react";
import { api, organizationPath, SignedOut } from "../api/client.ts";
import type { CallQuery } from "./query.ts";

export interface PastCall {
  call_id: string;
  status: string;
  type: string | null;
  direction: string | null;
  assistant_id: string | null;
  assistant_name: string | null;
  from_number: string | null;
  to_number: string | null;
  customer_name: string | null;
  created_at: string;
  ended_reason: string | null;
  ended_class: string | null;
  fault_owner: string | null;
  duration_seconds: number | null;
  cost_usd: number | null;
  success_evaluation: string | null;
  report: string;
  processed_at: string | null;
  tags: readonly string[];
  archived: boolean;
}

export interface SaidPart {
  text: string;
  match: boolean;
}

interface CallPage {
  calls: PastCall[];
  highlights: Record<string, SaidPart[][]> | null;
  from: string;
  to: string;
  next_cursor: string | null;
}

export interface Found {
  calls: readonly PastCall[];
  said: Readonly<Record<string, SaidPart[][]>>;
  from: string;
  to: string;
  next: string | null;
}

export interface CallPages {
  found: Found | null;
  fault: Error | null;
  isLoading: boolean;
  more: () => void;
  reload: () => void;
}

const PAGE = 50;
let kept: { key: string; found: Found } | null = null;

/** `range` tells the bounds at the moment of asking; `key` what they and the filters come from. */
export function useCallPages(organizationId: string, filter: CallQuery, range: () => { from: string; to: string }, key: string, isExpired: boolean): CallPages {
  const whole = `${organizationId} ${key}`;
  const [told, setTold] = useState<{ key: string; found: Found | null; fault: Error | null; isLoading: boolean }>(() => first(whole));
  const asking = useRef<AbortController | null>(null);
  const state = told.key === whole ? told : first(whole);

  const ask = useCallback(
    async (before: Found | null): Promise<void> => {
      asking.current?.abort();
      const stopped = new AbortController();
      asking.current = stopped;
      setTold({ key: whole, found: before, fault: null, isLoading: true });
      try {
        // A cursor carries its range.
        const place = before ? { cursor: before.next } : range();
        const page = await api<CallPage>(organizationPath(organizationId, "calls"), { query: { ...filter, ...place, limit: PAGE }, signal: stopped.signal });
        const found = joined(before, page);
        kept = { key: whole, found };
        setTold({ key: whole, found, fault: null, isLoading: false });
      } catch (error) {
        if (stopped.signal.aborted || error instanceof SignedOut) return;
        setTold({ key: whole, found: before, fault: error instanceof Error ? error : new Error(String(error)), isLoading: false });
      }
    },
    // `whole` stands for the filter and the range.
    // oxlint-disable-next-line react-hooks/exhaustive-deps
    [whole],
  );
  useEffect(() => {
    if (isExpired) return;
    if (kept?.key === whole) setTold(first(whole));
    else void ask(null);
    return () => asking.current?.abort();
  }, [ask, whole, isExpired]);
  return {
    found: state.found,
    fault: state.fault,
    isLoading: state.isLoading,
    more: () => state.found && !state.isLoading && void ask(state.found),
    reload: () => {
      kept = null;
      void ask(state.fault ? state.found : null);
    },
  };
}

function first(key: string): { key: string; found: Found | null; fault: null; isLoading: boolean } {
  const found = kept?.key === key ? kept.found : null;
  return { key, found, fault: null, isLoading: found === null };
}

export function joined(before: Found | null, page: CallPage): Found {
  return {
    calls: [...(before?.calls ?? []), ...page.calls],
    said: { ...before?.said, ...page.highlights },
    from: page.from,
    to: page.to,
    next: page.next_cursor,
  };
}
