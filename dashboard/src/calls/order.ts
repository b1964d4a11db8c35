/** The order of rows: by severity, then age; and how it stands still while somebody is at the table. */

export interface Arranged {
  /** Ids in the order they are shown. */
  shown: readonly string[];
  /** How many rows came, went or moved since the order was frozen. */
  changes: number;
}

/**
 * The rows to show. `frozen` is the order somebody is looking at: it stays, rows that went stay until it is applied
 * (while `isKnown`), and new ones come below all others, so that nothing moves under a pointer.
 */
export function arranged(sorted: readonly string[], frozen: readonly string[] | null, isKnown: (id: string) => boolean): Arranged {
  if (frozen === null) return { shown: sorted, changes: 0 };
  const wanted = new Set(sorted);
  const held = new Set(frozen);
  const stayed = frozen.filter(isKnown);
  const came = sorted.filter((id) => !held.has(id));
  const gone = frozen.filter((id) => !wanted.has(id)).length;
  const before = frozen.filter((id) => wanted.has(id));
  const after = sorted.filter((id) => held.has(id));
  const moved = before.filter((id, at) => after[at] !== id).length;
  return { shown: [...stayed, ...came], changes: came.length + gone + moved };
}
