/** Moments as people read them. */

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

/** `28 Nov, 14:02:11`; with its year when that is not this one's. */
export function dateTime(time: string | null, now = Date.now()): string {
  if (time === null) return NOTHING;
  const at = new Date(time);
  const sameYear = at.getFullYear() === new Date(now).getFullYear();
  const day = at.toLocaleDateString([], { day: "numeric", month: "short", ...(sameYear ? {} : { year: "numeric" }) });
  return `${day}, ${timeOfDay(at.getTime())}`;
}

/** A moment as `<input type="datetime-local">` holds it, in this machine's zone. */
export function localInput(ms: number): string {
  const at = new Date(ms);
  return new Date(ms - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

/** What such an input holds, as the API takes it; null for none. */
export function fromLocalInput(value: string): string | null {
  const ms = Date.parse(value);
  return Number.isNaN(ms) ? null : new Date(ms).toISOString();
}
