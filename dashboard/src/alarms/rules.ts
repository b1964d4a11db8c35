/** Alarm rules: what each watches in words, and the form that one is made or changed in. */

import { organizationPath, tagged, type Tagged } from "../api/client.ts";
import type { Metric, Severity } from "../live/protocol.ts";
import { roughly } from "../admin/times.ts";

export interface OwnRule {
  name: string;
  metric: Metric;
  comparison: "at-least" | "below";
  threshold: number;
  clear: number;
  pending_seconds: number;
  cooldown_seconds: number;
  severity: Severity;
  assistant_id: string | null;
  minimum_n: number;
  enabled: boolean;
}

export interface AlarmRule extends OwnRule {
  /** The organization set it; otherwise it is a default. */
  own: boolean;
  scope: "call" | "fleet";
}

interface MetricWords {
  name: string;
  unit: string;
  formula: string;
  perCall: boolean;
}

export const METRICS: Readonly<Record<Metric, MetricWords>> = {
  age_seconds: { name: "Age of a call", unit: "s", formula: "now − answered", perCall: true },
  silence_seconds: { name: "Silence in a call", unit: "s", formula: "now − the last sign of anybody speaking", perCall: true },
  hangs: { name: "Hangs of the assistant", unit: "", formula: "hang messages of the call", perCall: true },
  unconfirmed: { name: "Unconfirmed call", unit: "", formula: "1 when the provider, asked, knows nothing of a live call", perCall: true },
  tools_failed: { name: "Failed tools in a call", unit: "", formula: "tool calls of it that failed", perCall: true },
  webhook_silence_seconds: { name: "Silence of webhooks", unit: "s", formula: "now − the last sign of any call, while one is owed", perCall: false },
  missing_reports: { name: "Reports missing", unit: "", formula: "ended calls of the last hour whose report the provider did not have when asked", perCall: false },
  unknown_ended_reasons: { name: "Unknown ended reasons", unit: "", formula: "calls of the last hour that ended for a reason we do not know", perCall: false },
  slots_used_percent: { name: "Slots in use", unit: "%", formula: "slots held / limit", perCall: false },
  refused_calls: { name: "Calls refused", unit: "", formula: "calls of the last hour that were refused", perCall: false },
  minutes_used_percent: { name: "Minutes of the plan used", unit: "%", formula: "(used + reserved) / cap of the month", perCall: false },
  repairs: { name: "State repaired", unit: "", formula: "times today that memory and Postgres differed", perCall: false },
  service_level_percent: { name: "Service level", unit: "%", formula: "inbound answered within 20 s / (answered + abandoned − short abandoned), today", perCall: false },
  calls_with_tool_errors: { name: "Calls with failing tools", unit: "", formula: "calls of the last hour with two or more failed tools", perCall: false },
  wiring_differences: { name: "Differences at the provider", unit: "", formula: "assistants and numbers at VAPI that do not point at us", perCall: false },
};

const valueOf = (metric: Metric, value: number): string => {
  const unit = METRICS[metric]?.unit ?? "";
  return unit === "s" && value >= 60 ? roughly(value * 1000) : `${value}${unit && ` ${unit}`}`;
};

/** `≥ 30 min for 10 s`: when it opens. */
export function opensWhen(rule: OwnRule): string {
  const sign = rule.comparison === "at-least" ? "≥" : "<";
  const cases = rule.minimum_n ? ` (of at least ${rule.minimum_n})` : "";
  return `${sign} ${valueOf(rule.metric, rule.threshold)}${cases}${rule.pending_seconds ? ` for ${roughly(rule.pending_seconds * 1000)}` : ""}`;
}

export function clearsWhen(rule: OwnRule): string {
  return `${rule.comparison === "at-least" ? "<" : "≥"} ${valueOf(rule.metric, rule.clear)}`;
}

export function coolsFor(rule: OwnRule): string {
  return rule.cooldown_seconds ? roughly(rule.cooldown_seconds * 1000) : "at once";
}

export const NEW_RULE: OwnRule = {
  name: "",
  metric: "age_seconds",
  comparison: "at-least",
  threshold: 1,
  clear: 1,
  pending_seconds: 0,
  cooldown_seconds: 300,
  severity: "warning",
  assistant_id: null,
  minimum_n: 0,
  enabled: true,
};

/** What somebody wants of one rule: to be as it is told, or not to be; where it replaced a default, that holds again. */
export interface Wish {
  name: string;
  rule: OwnRule | null;
}

/** The organization's own rules as they are once the wish is granted. */
export function granted(rules: readonly AlarmRule[], { name, rule }: Wish): OwnRule[] {
  const kept = rules.filter((each) => each.own && each.name !== name);
  return [...kept, ...(rule === null ? [] : [rule])].map(asked);
}

function asked({ name, metric, comparison, threshold, clear, pending_seconds, cooldown_seconds, severity, assistant_id, minimum_n, enabled }: OwnRule): OwnRule {
  return { name, metric, comparison, threshold, clear, pending_seconds, cooldown_seconds, severity, assistant_id, minimum_n, enabled };
}

/** What is wrong with a rule, as the API would say it; null when nothing is. */
export function faultOfRule(rule: OwnRule, rules: readonly AlarmRule[], before: string | null): string | null {
  if (!/^[a-z0-9][a-z0-9-]{0,63}$/.test(rule.name)) return "A name is made of small letters, digits and hyphens.";
  if (rule.name !== before && rules.some((each) => each.own && each.name === rule.name)) return "Another rule has this name.";
  if (Number.isNaN(rule.threshold) || Number.isNaN(rule.clear)) return "Threshold and clear threshold are numbers.";
  if (rule.comparison === "at-least" && rule.clear > rule.threshold) return "The clear threshold must not lie above the threshold.";
  if (rule.comparison === "below" && rule.clear < rule.threshold) return "The clear threshold must not lie below the threshold.";
  return null;
}

export interface AlarmRules {
  rules: AlarmRule[];
}

export const rulesPath = (organizationId: string): string => organizationPath(organizationId, "alarm-rules");

/** Sets the own rules, unless others were set since those of `from` were read: that is a Problem of status 412. */
export function putRules(organizationId: string, rules: readonly OwnRule[], from: Tagged<AlarmRules>): Promise<Tagged<AlarmRules>> {
  return tagged<AlarmRules>(rulesPath(organizationId), { method: "PUT", body: { rules }, ifMatch: from.etag });
}
