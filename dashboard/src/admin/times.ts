/** Moments as people read them. */

import { momentOf, offsetAt } from "../calls/days.ts";
import { NOTHING, timeOfDay } from "../calls/format.ts";

const STEPS: readonly [number, string][] = [
  [86_400_000, "d"],
  [3_600_000, "h"],
  [60_000, "min"],
  [1_000, "s"],
];

/** A length in its largest whole unit: `3 d`, `4 h`, `12 min`, `8 s`. */
export function roughly(ms: number): string {
  const told = Math.max(0, ms);
  const [size, unit] = STEPS.find(([each]) => told >= each) ?? [1_000, "s"];
  return `${Math.floor(told / size)} ${unit}`;
}

export function ago(time: string | null, now: number): string {
  if (time === null) return NOTHING;
  const passed = now - Date.parse(time);
  return passed <= -1_000 ? `in ${roughly(-passed)}` : `${roughly(passed)} ago`;
}

/** `28 Nov, 14:02:11` where `timeZone` holds; with its year when that is not this one's. */
export function dateTime(time: string | null, timeZone: string, now = Date.now()): string {
  if (time === null) return NOTHING;
  const at = Date.parse(time);
  const year = (ms: number): string => new Date(ms).toLocaleDateString("en-GB", { timeZone, year: "numeric" });
  const day = new Date(at).toLocaleDateString("en-GB", { timeZone, day: "numeric", month: "short", ...(year(at) === year(now) ? {} : { year: "numeric" }) });
  return `${day}, ${timeOfDay(at, timeZone)}`;
}

/** A moment as `<input type="datetime-local">` holds it, by the clocks of `timeZone`. */
export function localInput(ms: number, timeZone: string): string {
  return new Date(ms + offsetAt(ms, timeZone)).toISOString().slice(0, 16);
}

/** What such an input holds, as the API takes it; null for none. */
export function fromLocalInput(value: string, timeZone: string): string | null {
  const asIfUtc = Date.parse(`${value}Z`);
  return Number.isNaN(asIfUtc) ? null : new Date(momentOf(asIfUtc, timeZone)).toISOString();
}
