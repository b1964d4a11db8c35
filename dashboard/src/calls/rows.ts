/** The board as the table shows it: which calls, in which order, each with its alarms. */

import type { Board } from "../live/board.ts";
import type { Actor, BoardCall, LiveIncident, Watcher } from "../live/protocol.ts";
import { actorsByCall, watchersByCall } from "../presence/words.ts";
import { incidentsByCall, SEVERITIES } from "./alarms.ts";
import { ageMs } from "./facts.ts";
import { type Filters, matches } from "./filters.ts";
import { compared, type Sort, sortValue, WORST_FIRST } from "./sorting.ts";

export interface CallRow {
  call: BoardCall;
  /** Open ones, worst first. */
  incidents: readonly LiveIncident[];
  /** Who gave it a command within the last minute. */
  actor: Actor | null;
  /** Who has it open, longest there first. */
  watchers: readonly Watcher[];
}

export interface Rows {
  byId: ReadonlyMap<string, CallRow>;
  /** Calls that go on and match, in the order they should stand in. */
  sorted: readonly string[];
  /** Calls that go on, whether they match or not. */
  total: number;
  /** How many of those do not match, and how many of them have a critical alarm. */
  hidden: { calls: number; critical: number };
}

const NO_INCIDENTS: readonly LiveIncident[] = [];
const NOBODY: readonly Watcher[] = [];

/** `me` is whom presence calls whoever looks. */
export function rowsOf(board: Board, filters: Filters, now: number, sort: Sort = WORST_FIRST, me: string | null = null): Rows {
  const incidents = incidentsByCall(board);
  const actors = actorsByCall(board.presence);
  const watchers = watchersByCall(board.presence);
  const byId = new Map<string, CallRow>();
  const shown: { id: string; value: number | string | null; rank: number; age: number }[] = [];
  const hidden = { calls: 0, critical: 0 };
  let total = 0;
  for (const call of board.calls.values()) {
    const { call_id: id } = call;
    const row = { call, incidents: incidents.get(id) ?? NO_INCIDENTS, actor: actors.get(id) ?? null, watchers: watchers.get(id) ?? NOBODY };
    byId.set(call.call_id, row);
    if (call.status === "ended") continue;
    total += 1;
    if (isWatched(row, filters.watcher, me) && matches(call, filters, now, row.incidents.length > 0)) {
      const rank = rankOf(row);
      shown.push({ id: call.call_id, value: sortValue(call, sort.key, rank, now), rank, age: ageMs(call, now) });
    } else {
      hidden.calls += 1;
      if (row.incidents[0]?.severity === "critical") hidden.critical += 1;
    }
  }
  shown.sort((a, b) => compared(a.value, b.value, sort.isDescending) || b.rank - a.rank || b.age - a.age || (a.id < b.id ? -1 : 1));
  return { byId, sorted: shown.map((each) => each.id), total, hidden };
}

/** `me` and a subject by its name are watched by them. */
function isWatched({ watchers }: CallRow, by: string | null, me: string | null): boolean {
  if (by === null) return true;
  const subject = by === "me" ? me : by;
  return watchers.some((each) => each.subject === subject);
}

export function rankOf(row: CallRow): number {
  const worst = row.incidents[0];
  return worst ? SEVERITIES[worst.severity].rank : 0;
}
