/** The last hour, minute by minute, out of the calls on the board: it holds those that ended for an hour. */

import type { BoardCall } from "../live/protocol.ts";

export const MINUTES = 60;
const MINUTE_MS = 60_000;

export interface Hour {
  /** The most calls live at once in each minute, the oldest first. */
  live: readonly number[];
  waiting: readonly number[];
  /** Calls answered in each minute. */
  answered: readonly number[];
  ended: readonly number[];
  /** The slowest p95 of the calls that ended in each minute; null where none told one. */
  latencyMs: readonly (number | null)[];
}

export function hourOf(calls: Iterable<BoardCall>, now: number): Hour {
  const start = now - MINUTES * MINUTE_MS;
  const live = new Sweep(start);
  const waiting = new Sweep(start);
  const answered = new Array<number>(MINUTES).fill(0);
  const ended = new Array<number>(MINUTES).fill(0);
  const latencyMs = new Array<number | null>(MINUTES).fill(null);
  for (const call of calls) {
    if ((call.admission ?? "").startsWith("refused:")) continue;
    const created = Date.parse(call.created_at);
    const end = call.status === "ended" ? Date.parse(call.ended_at ?? call.evidence_at) : Number.POSITIVE_INFINITY;
    const begun = call.ringing_at ?? call.answered_at;
    const rang = begun === null ? end : Date.parse(begun);
    waiting.add(created, rang);
    live.add(rang, end);
    count(answered, call.answered_at === null ? null : Date.parse(call.answered_at), start);
    count(ended, Number.isFinite(end) ? end : null, start);
    const minute = minuteOf(end, start);
    const latency = call.conversation.turn_latency_p95_ms;
    if (minute !== null && latency !== null) latencyMs[minute] = Math.max(latencyMs[minute] ?? 0, latency);
  }
  return { live: live.peaks(), waiting: waiting.peaks(), answered, ended, latencyMs };
}

/** How many intervals [from, to) lie over each minute at most, by their ends. */
class Sweep {
  private readonly changes: { at: number; by: 1 | -1 }[] = [];

  constructor(private readonly start: number) {}

  add(from: number, to: number): void {
    if (to <= from || to <= this.start) return;
    this.changes.push({ at: Math.max(from, this.start), by: 1 });
    if (Number.isFinite(to)) this.changes.push({ at: to, by: -1 });
  }

  peaks(): number[] {
    this.changes.sort((a, b) => a.at - b.at || a.by - b.by);
    const peaks: number[] = [];
    let [next, now] = [0, 0];
    for (let minute = 0; minute < MINUTES; minute += 1) {
      const until = this.start + (minute + 1) * MINUTE_MS;
      let peak = now;
      for (let change = this.changes[next]; change && change.at < until; change = this.changes[++next]) {
        now += change.by;
        peak = Math.max(peak, now);
      }
      peaks.push(peak);
    }
    return peaks;
  }
}

function count(minutes: number[], at: number | null, start: number): void {
  const minute = at === null ? null : minuteOf(at, start);
  if (minute !== null) minutes[minute] = (minutes[minute] ?? 0) + 1;
}

function minuteOf(at: number, start: number): number | null {
  const minute = Math.floor((at - start) / MINUTE_MS);
  return minute >= 0 && minute < MINUTES ? minute : null;
}
