/** A whole list out of its pages, one after the other, as far as a bound. */

export interface Paging<P, T> {
  read: (cursor: string | null, signal: AbortSignal) => Promise<P>;
  items: (page: P) => readonly T[];
  /** At most so many are read: what a page can hold, and a server be asked for. */
  most: number;
  /** Told after each page how many were read so far. */
  told: (count: number) => void;
  signal: AbortSignal;
}

export interface Whole<T> {
  items: readonly T[];
  /** There are more than the bound permits. */
  isCut: boolean;
}

/** Raises what `read` raises, and the signal's reason once it is aborted: half a list is none. */
export async function wholeList<P extends { next_cursor: string | null }, T>({ read, items, most, told, signal }: Paging<P, T>): Promise<Whole<T>> {
  const all: T[] = [];
  let cursor: string | null = null;
  for (;;) {
    // Each page begins where the one before it ended.
    // oxlint-disable-next-line no-await-in-loop
    const page: P = await read(cursor, signal);
    signal.throwIfAborted();
    all.push(...items(page));
    told(Math.min(all.length, most));
    cursor = page.next_cursor;
    if (all.length > most || (all.length === most && cursor !== null)) return { items: all.slice(0, most), isCut: true };
    if (cursor === null) return { items: all, isCut: false };
  }
}
