/** The figures that tell whether the others can be believed: each with what it means and whether it is as it should be. */

import { ago, roughly } from "../admin/times.ts";
import { counted, NOTHING, percent, seconds } from "../calls/format.ts";
import type { OrganizationDetail, Reconciliations, Stats } from "./api.ts";

export interface Measure {
  id: string;
  name: string;
  value: string;
  note: string;
  isBad: boolean;
}

export interface Told {
  stats: Stats;
  organization: OrganizationDetail;
  reconciliations: Reconciliations;
  now: number;
}

const BEHIND_S = 10;
const SECOND_MS = 1_000;

/** Lags are short: below a second they are told in milliseconds. */
function ofMs(ms: number | null): string {
  if (ms === null) return NOTHING;
  return ms < SECOND_MS ? `${Math.round(ms)} ms` : seconds(ms / SECOND_MS);
}

const perThousand = (value: number | null): string => (value === null ? "none to compare with" : `${value.toFixed(1)} in 1000`);

/** In the order in which a webhook meets them. */
export function measuresOf({ stats, organization, reconciliations, now }: Told): Measure[] {
  const { webhooks } = organization;
  const day = reconciliations.last_day;
  const today = stats.today;
  return [
    { id: "last-seen", name: "Last webhook", value: day.last_received_at === undefined ? NOTHING : day.last_received_at === null ? "none in 24 h" : ago(day.last_received_at, now), note: "when a new one was last received", isBad: false },
    { id: "received", name: "Received today", value: String(webhooks.received), note: "webhooks, duplicates too", isBad: false },
    { id: "duplicates", name: "Duplicate", value: String(webhooks.duplicates), note: `${perThousand(webhooks.received ? (1000 * webhooks.duplicates) / webhooks.received : null)}; each counts once`, isBad: false },
    { id: "late", name: "Late", value: today ? String(today.reorders) : NOTHING, note: today ? `overtaken by a later one, ${perThousand(today.reorders_per_1000)}` : "overtaken by a later one", isBad: false },
    { id: "refused", name: "Refused in 24 h", value: day.refused === undefined ? NOTHING : String(day.refused), note: day.last_refused_at ? `with a secret that is none of yours: lost; the last ${ago(day.last_refused_at, now)}` : "with a secret that is none of yours", isBad: (day.refused ?? 0) > 0 },
    { id: "lag", name: "Lag p50 / p95", value: today?.webhook_lag_p50_ms == null ? NOTHING : `${ofMs(today.webhook_lag_p50_ms)} / ${ofMs(today.webhook_lag_p95_ms)}`, note: `received − occurred, n ${today?.webhook_lag_n ?? 0}${today?.clock_skewed ? `; ${today.clock_skewed} before they occurred: a clock is off` : ""}`, isBad: (today?.webhook_lag_p95_ms ?? 0) > BEHIND_S * SECOND_MS },
    { id: "waiting", name: "Not applied yet", value: String(webhooks.unapplied), note: webhooks.unapplied ? `the oldest for ${roughly(webhooks.lag_seconds * SECOND_MS)}` : "everything received is on the board", isBad: webhooks.lag_seconds > BEHIND_S },
    { id: "missing", name: "Reports missing", value: today ? String(today.reports_missing) : NOTHING, note: today ? `${percent(today.reports_missing_share)} of ${counted(today.ended, "ended call")}` : "of the calls that ended today", isBad: (today?.reports_missing ?? 0) > 0 },
    { id: "repaired", name: "Fetched in 24 h", value: String(day.repaired), note: "what no webhook had told, from the provider's own list", isBad: day.repaired > 0 },
    { id: "drift", name: "State repaired", value: today ? String(today.repairs) : NOTHING, note: "times that memory and Postgres differed", isBad: (today?.repairs ?? 0) > 0 },
  ];
}

/** Received minus occurred; null when it was not told when it occurred. */
export function lagMs(entry: { occurred_at: string | null; received_at: string }): number | null {
  return entry.occurred_at === null ? null : Date.parse(entry.received_at) - Date.parse(entry.occurred_at);
}

export function lagWords(ms: number | null): string {
  if (ms === null) return NOTHING;
  return ms < 0 ? `${ofMs(-ms)} before it occurred` : ofMs(ms);
}

const KINDS: Readonly<Record<string, string>> = {
  "missed-call": "a whole call",
  "missed-status": "a status",
  "missed-report": "a report",
  corrected: "a correction",
};

export const repairWords = (kind: string): string => KINDS[kind] ?? kind.replaceAll("-", " ");
