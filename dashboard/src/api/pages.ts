/** A list that comes in pages: the first is read by itself, and again as it changes; the others when asked for. */

import { useState } from "react";
import { api, type Asked, faultOf } from "./client.ts";
import { type Read, type Reading, useReading } from "./reading.ts";

export interface Paged<T> extends Read<readonly T[]> {
  /** Brings the next page; null when there is none. */
  more: (() => void) | null;
  isMore: boolean;
  moreFault: string | null;
}

export interface ListOf<P, T> {
  items: (page: P) => readonly T[];
  id: (item: T) => string | number;
}

interface Later<T> {
  of: string;
  items: readonly T[];
  cursor: string | null;
}

/**
 * The first page as it is now, then what was there before, each once. Null when the two do not meet: what lies between
 * them is not known.
 */
export function joined<T>(first: readonly T[], before: readonly T[], id: ListOf<unknown, T>["id"]): readonly T[] | null {
  const fresh = new Set(first.map(id));
  const rest = before.filter((each) => !fresh.has(id(each)));
  return rest.length === before.length && before.length > 0 ? null : [...first, ...rest];
}

export function usePages<P extends { next_cursor: string | null }, T>(
  path: string | null,
  query: NonNullable<Asked["query"]>,
  list: ListOf<P, T>,
  everyMs?: number,
): Paged<T> {
  const of = JSON.stringify([path, query]);
  const first = useReading<P>(path, query, { everyMs });
  const [later, setLater] = useState<Later<T> | null>(null);
  const [isMore, setIsMore] = useState(false);
  const [moreFault, setMoreFault] = useState<string | null>(null);
  const reload = (): void => {
    setLater(null);
    first.reload();
  };
  if (first.reading.status !== "ready" || path === null) {
    return { reading: first.reading as Reading<never>, reload, more: null, isMore, moreFault };
  }
  const page = first.reading.value;
  const items = list.items(page);
  const all = later?.of === of ? joined(items, later.items, list.id) : null;
  const cursor = all === null || later === null ? page.next_cursor : later.cursor;
  const shown = all ?? items;
  const more = async (): Promise<void> => {
    setIsMore(true);
    setMoreFault(null);
    try {
      const next = await api<P>(path, { query: { ...query, cursor } });
      setLater({ of, items: [...shown, ...list.items(next)], cursor: next.next_cursor });
    } catch (error) {
      setMoreFault(faultOf(error));
    } finally {
      setIsMore(false);
    }
  };
  return { reading: { ...first.reading, value: shown }, reload, more: cursor === null ? null : () => void more(), isMore, moreFault };
}
