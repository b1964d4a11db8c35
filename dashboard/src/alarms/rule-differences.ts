/** How two readings of the rules differ, in words. */

import { clearsWhen, coolsFor, METRICS, opensWhen, type AlarmRule } from "./rules.ts";

export interface RuleDifference {
  name: string;
  /** `the threshold was ≥ 30 min, and is ≥ 10 min`, one for each thing. */
  told: readonly string[];
}

const ASPECTS: readonly [string, (rule: AlarmRule) => string][] = [
  ["what it watches", (rule) => METRICS[rule.metric]?.name ?? rule.metric],
  ["opens", opensWhen],
  ["ends", clearsWhen],
  ["cools down for", coolsFor],
  ["severity", (rule) => rule.severity],
  ["only calls of", (rule) => rule.assistant_id ?? "every assistant"],
  ["state", (rule) => (rule.enabled ? "on" : "off")],
];

/** The rules that are not as they were, by name. A default that stands again tells so. */
export function differences(before: readonly AlarmRule[], after: readonly AlarmRule[]): readonly RuleDifference[] {
  const [was, is] = [byName(before), byName(after)];
  const names = [...new Set([...was.keys(), ...is.keys()])].toSorted();
  return names.flatMap((name) => {
    const told = differenceOf(was.get(name), is.get(name));
    return told.length ? [{ name, told }] : [];
  });
}

const byName = (rules: readonly AlarmRule[]): Map<string, AlarmRule> => new Map(rules.map((rule) => [rule.name, rule]));

function differenceOf(was: AlarmRule | undefined, is: AlarmRule | undefined): readonly string[] {
  if (was === undefined) return is === undefined ? [] : [`is new: opens at ${opensWhen(is)}, ${is.severity}`];
  if (is === undefined) return ["was removed"];
  const changed = ASPECTS.flatMap(([what, of]) => (of(was) === of(is) ? [] : [`${what}: ${of(was)} → ${of(is)}`]));
  return was.own && !is.own ? ["is the default again", ...changed] : changed;
}
