/** The order of the table as somebody looks at it: frozen while they are there, applied when they leave or ask for it. */

import { useEffect, useMemo, useRef, useState } from "react";
import { arranged, type Arranged } from "../calls/order.ts";
import type { Rows } from "../calls/rows.ts";

export interface FrozenOrder {
  order: Arranged;
  setAttended: (isAttended: boolean) => void;
  apply: () => void;
}

export function useFrozenOrder(rows: Rows, filterKey: string): FrozenOrder {
  const [frozen, setFrozen] = useState<readonly string[] | null>(null);
  const isAttended = useRef(false);
  const sorted = useRef(rows.sorted);
  sorted.current = rows.sorted;
  // Another filter is another table.
  useEffect(() => setFrozen(isAttended.current ? sorted.current : null), [filterKey]);
  const order = useMemo(() => arranged(rows.sorted, frozen, (id) => rows.byId.has(id)), [rows, frozen]);
  return {
    order,
    setAttended: (next) => {
      if (next === isAttended.current) return;
      isAttended.current = next;
      setFrozen(next ? sorted.current : null);
    },
    apply: () => setFrozen(isAttended.current ? sorted.current : null),
  };
}
