/** Incidents in words, and in the order in which somebody should look at them. */

import type { Board } from "../live/board.ts";
import type { LiveIncident, Metric, Severity } from "../live/protocol.ts";
import { clock, counted, words } from "./format.ts";

/** Severity by shape and word, so that no colour is needed to tell it. */
export const SEVERITIES: Readonly<Record<Severity, { shape: string; word: string; rank: number }>> = {
  critical: { shape: "▲", word: "Critical", rank: 3 },
  warning: { shape: "◆", word: "Warning", rank: 2 },
  notice: { shape: "■", word: "Notice", rank: 1 },
};

type Told = LiveIncident["evidence"];

const TEXTS: Readonly<Record<Metric, (at: Told) => string>> = {
  age_seconds: (at) => `Too long: ${clock(at.value * 1000)}`,
  silence_seconds: (at) => `Silent for ${clock(at.value * 1000)}`,
  hangs: (at) => `The assistant hung ${at.value === 1 ? "once" : `${at.value} times`}`,
  unconfirmed: () => "Unconfirmed: the provider knows nothing of it",
  tools_failed: (at) => `Tools failed ${at.value === 1 ? "once" : `${at.value} times`}`,
  webhook_silence_seconds: (at) => `No webhook for ${clock(at.value * 1000)} although calls go on`,
  missing_reports: (at) => `Reports missing: ${at.value}`,
  slots_used_percent: (at) => `Slots in use: ${at.detail ?? `${at.value} %`}`,
  refused_calls: (at) => `Calls refused: ${at.value}${at.detail ? `, the last ${words(at.detail.replace("refused:", "for "))}` : ""}`,
  minutes_used_percent: (at) => `Minutes of the plan used: ${at.detail ?? `${at.value} %`}`,
  service_level_percent: (at) => `Service level today: ${Math.round(at.value)} %`,
  calls_with_tool_errors: (at) => `Calls whose tools failed repeatedly: ${at.value}`,
  repairs: (at) => `Live state repaired ${at.value === 1 ? "once" : `${at.value} times`} today`,
  unknown_ended_reasons: (at) => `Unknown ended reason: ${at.detail ?? at.value}`,
  wiring_differences: (at) => `The provider points elsewhere: ${counted(at.value, "difference")}`,
};

export function alarmText(incident: LiveIncident): string {
  // A server of a later release may know metrics that this page does not.
  const text = TEXTS[incident.metric] as ((at: Told) => string) | undefined;
  return text?.(incident.evidence) ?? `${words(incident.rule)}: ${incident.evidence.value}`;
}

export function bySeverity(a: LiveIncident, b: LiveIncident): number {
  return SEVERITIES[b.severity].rank - SEVERITIES[a.severity].rank || (a.opened_at < b.opened_at ? -1 : 1);
}

export const endOf = (incident: LiveIncident): string | null => incident.recovered_at ?? incident.resolved_at;

export function isMuted(incident: LiveIncident, now: number): boolean {
  return incident.muted_until !== null && now < Date.parse(incident.muted_until);
}

/** Open incidents, worst first. */
export function openIncidents(board: Board): LiveIncident[] {
  return [...board.incidents.values()].toSorted(bySeverity);
}

/** The open incidents of each call, worst first. */
export function incidentsByCall(board: Board): ReadonlyMap<string, readonly LiveIncident[]> {
  const found = new Map<string, LiveIncident[]>();
  for (const incident of openIncidents(board)) {
    if (incident.call_id === null) continue;
    const held = found.get(incident.call_id);
    if (held) held.push(incident);
    else found.set(incident.call_id, [incident]);
  }
  return found;
}
