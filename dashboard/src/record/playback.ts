/** Where the recording is, in terms of lines. */

import type { Line } from "../call/lines.ts";

/** Lines begin a little before what is heard of them, as people point at them. */
const LEAD_SECONDS = 0.05;

/** The last line said at or before `seconds`; null before the first one, and where no line tells its place. */
export function lineAt(lines: readonly Line[], seconds: number): Line | null {
  let found: Line | null = null;
  for (const line of lines) {
    if (line.kind !== "said" || line.offset === undefined) continue;
    if (line.offset > seconds + LEAD_SECONDS) break;
    found = line;
  }
  return found;
}

/** The line that is `by` lines after the one said at `seconds`, if it can be gone to. */
export function lineFrom(lines: readonly Line[], seconds: number, by: number): Line | null {
  const placed = lines.filter((line) => line.kind === "said" && line.offset !== undefined);
  const at = placed.findIndex((line) => line === lineAt(placed, seconds));
  return placed[Math.min(placed.length - 1, Math.max(0, at + by))] ?? null;
}
