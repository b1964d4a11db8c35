/** Which calls came within the last second, of a board that was there before them. */

import { useRef } from "react";
import type { Board } from "../live/board.ts";

const NEW_MS = 1_500;

export function useNewCalls(board: Board, now: number): ReadonlySet<string> {
  const seen = useRef<Map<string, number> | null>(null);
  // The first board is not news, nor is that of another organization.
  if (board.position === null) {
    seen.current = null;
    return new Set();
  }
  const isFirst = seen.current === null;
  const held = (seen.current ??= new Map());
  for (const id of board.calls.keys()) if (!held.has(id)) held.set(id, isFirst ? 0 : now);
  for (const id of held.keys()) if (!board.calls.has(id)) held.delete(id);
  return new Set([...held].flatMap(([id, at]) => (now - at < NEW_MS ? [id] : [])));
}
