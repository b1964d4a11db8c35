/** Past calls page by page. The last list is kept, so that whoever comes back from a call finds it as it was. */

import { useCallback, useEffect, useRef, useState } from "react";
import { api, faultOf, organizationPath, SignedOut } from "../api/client.ts";
import type { Paged } from "../api/pages.ts";
import { afterFault, type Reading, valueOf } from "../api/reading.ts";
import { useSession } from "../api/session.ts";
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

export interface CallPages extends Pick<Paged<PastCall>, "more" | "isMore" | "moreFault" | "reload"> {
  reading: Reading<Found>;
  /** A page is on its way: the first anew, or a further one. */
  isAsked: boolean;
}

interface Told {
  key: string;
  reading: Reading<Found>;
  asked: "first" | "more" | null;
  moreFault: string | null;
}

const PAGE = 50;
let kept: { key: string; found: Found } | null = null;

/** `range` tells the bounds at the moment of asking; `key` what they and the filters come from. */
export function useCallPages(organizationId: string, filter: CallQuery, range: () => { from: string; to: string }, key: string): CallPages {
  const whole = `${organizationId} ${key}`;
  const [held, setTold] = useState<Told>(() => first(whole));
  const asking = useRef<AbortController | null>(null);
  const isSignedIn = useSession().status === "signed-in";
  const told = held.key === whole ? held : first(whole);

  const ask = useCallback(
    async (before: Found | null): Promise<void> => {
      asking.current?.abort();
      const stopped = new AbortController();
      asking.current = stopped;
      const become = (change: (was: Told) => Partial<Told>): void =>
        setTold((last) => {
          const was = last.key === whole ? last : first(whole);
          return { ...was, ...change(was) };
        });
      become(() => ({ asked: before ? "more" : "first", moreFault: null }));
      try {
        // A cursor carries its range.
        const place = before ? { cursor: before.next } : range();
        const page = await api<CallPage>(organizationPath(organizationId, "calls"), { query: { ...filter, ...place, limit: PAGE }, signal: stopped.signal });
        const found = joined(before, page);
        kept = { key: whole, found };
        become(() => ({ asked: null, reading: { status: "ready", value: found, fault: null } }));
      } catch (error) {
        if (stopped.signal.aborted) return;
        const isOfMore = before !== null && !(error instanceof SignedOut);
        become(({ reading }) => (isOfMore ? { asked: null, moreFault: faultOf(error) } : { asked: null, reading: afterFault(reading, error) }));
      }
    },
    // `whole` stands for the filter and the range.
    // oxlint-disable-next-line react-hooks/exhaustive-deps
    [whole],
  );
  useEffect(() => {
    if (!isSignedIn) return;
    if (kept?.key === whole) setTold(first(whole));
    else void ask(null);
    return () => asking.current?.abort();
  }, [ask, whole, isSignedIn]);
  const found = valueOf(told.reading);
  return {
    reading: told.reading,
    isAsked: told.asked !== null,
    more: found?.next ? () => void ask(found) : null,
    isMore: told.asked === "more",
    moreFault: told.moreFault,
    reload: () => {
      kept = null;
      void ask(null);
    },
  };
}

function first(key: string): Told {
  const found = kept?.key === key ? kept.found : null;
  return { key, reading: found === null ? { status: "loading" } : { status: "ready", value: found, fault: null }, asked: null, moreFault: null };
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
