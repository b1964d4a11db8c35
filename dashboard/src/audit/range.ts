/** The days of the log that are looked at. */

import { dayAfter, isDay, startOfDay } from "../calls/days.ts";

export interface Days {
  /** Empty: from the first entry on, or up to now. */
  from: string;
  to: string;
}

export function daysOf(params: URLSearchParams): Days {
  const day = (name: string): string => {
    const told = params.get(name) ?? "";
    return isDay(told) ? told : "";
  };
  return { from: day("from"), to: day("to") };
}

/** [from, to) as the API takes it: whole days, the last one included, where `timeZone` holds. */
export function rangeOf({ from, to }: Days, timeZone: string): { from: string | null; to: string | null } {
  const start = (day: string): string => new Date(startOfDay(day, timeZone)).toISOString();
  return { from: from ? start(from) : null, to: to ? start(dayAfter(to)) : null };
}

export function fileNameOf({ from, to }: Days): string {
  return `audit-log${from && `-from-${from}`}${to && `-to-${to}`}.csv`;
}
