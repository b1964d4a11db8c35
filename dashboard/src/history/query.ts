/** Which past calls are looked at: what the address says, and what the API is asked for it. */

import { words } from "../calls/format.ts";
import { dayAfter, isDay, startOfDay } from "../calls/days.ts";

/** As the API names and measures them; `range` and the days are the page's own. */
export const NAMES = ["q", "range", "from", "to", "assistant", "number", "direction", "class", "fault", "tag", "min", "alarm", "recording"] as const;
export type Name = (typeof NAMES)[number];
export type Asked = Readonly<Record<Name, string>>;

export const RANGES = ["1", "7", "30", "90"] as const;
export const DEFAULT_RANGE = "7";
export const CLASSES = ["completed", "not-reached", "transferred", "transfer-failed", "start-failed", "platform-fault", "provider-fault", "transport", "limit", "unknown"] as const;
export const FAULT_OWNERS = ["nobody", "customer", "organization", "vapi", "provider", "carrier", "unknown"] as const;
const DAY_MS = 86_400_000;

export function askedOf(params: URLSearchParams): Asked {
  const told = Object.fromEntries(NAMES.map((name) => [name, params.get(name) ?? ""])) as Record<Name, string>;
  if (!isDay(told.from)) told.from = "";
  if (!isDay(told.to)) told.to = "";
  return told;
}

export type CallQuery = Readonly<Record<string, string | number | null>>;

/** The filters as the API takes them, the range apart. */
export function filterOf(asked: Asked): CallQuery {
  const least = Number(asked.min);
  return {
    search: asked.q.trim() || null,
    assistant_id: asked.assistant || null,
    number: asked.number.trim() || null,
    direction: asked.direction || null,
    ended_class: asked.class || null,
    fault_owner: asked.fault || null,
    tag: asked.tag.trim() || null,
    min_duration_seconds: asked.min !== "" && Number.isFinite(least) ? least : null,
    has_incident: yesOrNo(asked.alarm),
    has_recording: yesOrNo(asked.recording),
  };
}

/** [from, to) in ISO 8601: the days that are named, whole, in the organization's time zone, or so many days up to now. */
export function rangeOf(asked: Asked, now: number, timeZone: string): { from: string; to: string } {
  const days = Number(RANGES.find((each) => each === asked.range) ?? DEFAULT_RANGE);
  if (!asked.from && !asked.to) return { from: iso(now - days * DAY_MS), to: iso(now) };
  const to = asked.to ? startOfDay(dayAfter(asked.to), timeZone) : now;
  const from = asked.from ? startOfDay(asked.from, timeZone) : to - days * DAY_MS;
  return { from: iso(from), to: iso(to) };
}

/** What narrows the calls of the range, each as it is told on a chip. */
export function chipsOf(asked: Asked, assistantName: (id: string) => string): { name: Name; text: string }[] {
  const told: [Name, string][] = [
    ["q", asked.q && `said: “${asked.q}”`],
    ["assistant", asked.assistant && `assistant ${assistantName(asked.assistant)}`],
    ["number", asked.number && `number ${asked.number}`],
    ["direction", asked.direction],
    ["class", asked.class && words(asked.class)],
    ["fault", asked.fault && `fault: ${asked.fault}`],
    ["tag", asked.tag && `tag ${asked.tag}`],
    ["min", asked.min && `at least ${asked.min} s`],
    ["alarm", asked.alarm && (asked.alarm === "yes" ? "with an alarm" : "without an alarm")],
    ["recording", asked.recording && (asked.recording === "yes" ? "recorded" : "without a recording")],
  ];
  return told.flatMap(([name, text]) => (text ? [{ name, text }] : []));
}

const yesOrNo = (text: string): string | null => (text === "yes" ? "true" : text === "no" ? "false" : null);
const iso = (ms: number): string => new Date(ms).toISOString();
