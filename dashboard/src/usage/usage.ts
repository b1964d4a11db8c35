/** A billing period's usage as the API tells it, and in words. Minutes are rounded once, by the API; money here. */

import { dayAndTime } from "../calls/days.ts";
import { NOTHING } from "../calls/format.ts";

export interface Plan {
  plan_id: string;
  name: string;
  monthly_price_micros: number;
  included_minutes: number;
  minute_price_micros: number;
  currency: string;
}

export interface OfferedPlan extends Plan {
  concurrency_limit: number | null;
}

export interface UsageDay {
  date: string;
  calls: number | null;
  seconds: number;
  cost_micros: number;
}

export interface UsageMark {
  percent: number;
  seconds: number;
  reached: boolean;
  told_at: string | null;
  expected_at: string | null;
}

export interface Usage {
  period_start: string;
  period_end: string;
  time_zone: string;
  as_of: string;
  plan: Plan | null;
  used_seconds: number;
  used_minutes: number;
  included_minutes: number | null;
  overage_minutes: number | null;
  limit_minutes: number | null;
  used_share: number | null;
  cost_micros: number;
  currency: string | null;
  marks: UsageMark[];
  projection: { basis: "weekday_means" | "straight_line"; used_minutes: number; overage_seconds: number | null; cost_micros: number } | null;
  days: UsageDay[];
}

export interface Periods {
  periods: { period_start: string; period_end: string; used_minutes: number }[];
}

export type MinutesPolicy = "notify" | "block-outbound" | "block";

export const POLICIES: Readonly<Record<MinutesPolicy, string>> = {
  notify: "only notify",
  "block-outbound": "refuse new outbound calls",
  block: "refuse every new call",
};

export function money(micros: number | null, currency: string | null): string {
  if (micros === null) return NOTHING;
  const value = micros / 1_000_000;
  if (currency === null) return value.toFixed(2);
  const digits = value !== 0 && Math.abs(value) < 1 ? 3 : 2;
  return new Intl.NumberFormat("en", { style: "currency", currency, minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);
}

const MINUTES = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });

export const minutesNumber = (value: number | null): string => (value === null ? NOTHING : MINUTES.format(value));

export function minutesWords(value: number | null): string {
  return value === null ? NOTHING : `${minutesNumber(value)} min`;
}

export interface Figure {
  key: string;
  name: string;
  value: string;
  under: string;
  formula: string;
}

/** The period's figures, each with what it is made of. */
export function figuresOf(usage: Usage): Figure[] {
  const { plan, projection, currency } = usage;
  const limit = usage.limit_minutes;
  return [
    {
      key: "used",
      name: "Used",
      value: minutesWords(usage.used_minutes),
      under: usage.used_share === null ? "no limit is set" : `${Math.round(usage.used_share * 100)} % of ${minutesWords(limit)}`,
      formula: "The seconds of every call that ended in the period, each call's rounded up to a whole second, corrections included; their sum / 60, rounded once.",
    },
    {
      key: "included",
      name: "Included",
      value: plan ? minutesWords(plan.included_minutes) : NOTHING,
      under: plan ? `${plan.name}, ${money(plan.monthly_price_micros, plan.currency)} a month` : "no plan",
      formula: "Minutes of the plan. Usage beyond them is charged by the minute.",
    },
    {
      key: "projected",
      name: "Projected at the end",
      value: projection ? minutesWords(projection.used_minutes) : NOTHING,
      under: projection ? `costs ${money(projection.cost_micros, currency)}` : Date.parse(usage.period_end) <= Date.parse(usage.as_of) ? "the period is over" : "too early to tell",
      formula: projectionFormula(projection?.basis ?? "weekday_means"),
    },
    {
      key: "overage",
      name: "Beyond the included",
      value: minutesWords(usage.overage_minutes),
      under: plan ? `at ${money(plan.minute_price_micros, plan.currency)} a minute` : "no plan",
      formula: "max(0, used − included), in minutes. Its price is the plan's for a minute beyond the included ones.",
    },
    {
      key: "cost",
      name: "Charged for calls",
      value: money(usage.cost_micros, currency),
      under: "as in the ledger",
      formula: "The sum of the ledger's amounts in the period: one charge for each call, and corrections. The plan's monthly price is not in it.",
    },
  ];
}

function projectionFormula(basis: "weekday_means" | "straight_line"): string {
  return basis === "weekday_means"
    ? "Used, and for each day that remains the mean of its weekday over the last 28 closed days."
    : "Used / time passed × length of the period. Once every weekday is known of the last 28 closed days, it goes by their means instead.";
}

export function markWords(mark: UsageMark, timeZone: string): string {
  if (mark.told_at) return `reached; people were told ${dayAndTime(mark.told_at, timeZone)}`;
  if (mark.reached) return "reached; people are being told";
  return mark.expected_at ? `expected ${dayAndTime(mark.expected_at, timeZone)}` : "not expected in this period";
}

/** A period's last day is the one before it ends. */
export function periodWords(start: string, end: string, timeZone: string): string {
  const day = (ms: number): string => new Date(ms).toLocaleDateString("en-GB", { timeZone, day: "numeric", month: "short", year: "numeric" });
  return `${day(Date.parse(start))} – ${day(Date.parse(end) - 1)}`;
}

export interface Bar {
  date: string;
  minutes: number;
  x: number;
  y: number;
  height: number;
}

/** Days as bars in a box of `width` × `height`, the highest as high as the box. */
export function barsOf(days: readonly UsageDay[], width: number, height: number): { bars: Bar[]; step: number; most: number } {
  const most = Math.max(0, ...days.map((day) => day.seconds));
  const step = days.length ? width / days.length : width;
  const bars = days.map((day, at) => {
    // What was used at all is to be seen.
    const tall = most === 0 || day.seconds === 0 ? 0 : Math.max(2, (day.seconds / most) * height);
    return { date: day.date, minutes: day.seconds / 60, x: at * step, y: height - tall, height: tall };
  });
  return { bars, step, most: most / 60 };
}
