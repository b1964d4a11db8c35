/** The organization's rules on the page: what was read, changing one of them, and what stands in the way of that. */

import { useState } from "react";
import { Problem, tagged, type Tagged } from "../api/client.ts";
import { type Change, useChange } from "../api/change.ts";
import { type Read, useReading } from "../api/reading.ts";
import { differences, type RuleDifference } from "./rule-differences.ts";
import { type AlarmRule, type AlarmRules, granted, putRules, rulesPath, type Wish } from "./rules.ts";

/** Somebody set other rules since these were read; `wish` was not granted. */
export interface Conflict {
  wish: Wish;
  theirs: readonly RuleDifference[];
}

export interface OwnRules {
  told: Read<AlarmRules>;
  rules: readonly AlarmRule[];
  isRead: boolean;
  change: Change;
  conflict: Conflict | null;
  /** Whether it was done. If not, `change` has the fault, or there is a conflict: asking again then is knowing of it. */
  ask: (wish: Wish) => Promise<boolean>;
  /** What somebody else set stands. */
  yield: () => void;
}

export function useOwnRules(organizationId: string): OwnRules {
  const told = useReading<AlarmRules>(rulesPath(organizationId));
  // What was put or read since.
  const [newer, setNewer] = useState<Tagged<AlarmRules> | null>(null);
  const [conflict, setConflict] = useState<Conflict | null>(null);
  const change = useChange();
  const held: Tagged<AlarmRules> | null = newer ?? (told.reading.status === "ready" ? { value: told.reading.value, etag: told.reading.etag } : null);

  const grant = async (wish: Wish, from: Tagged<AlarmRules>): Promise<Conflict | null> => {
    const wished = granted(from.value.rules, wish);
    try {
      setNewer(await putRules(organizationId, wished, from));
      return null;
    } catch (error) {
      if (!(error instanceof Problem && error.status === 412)) throw error;
    }
    const now = await tagged<AlarmRules>(rulesPath(organizationId));
    setNewer(now);
    // Where the answer to our own change was lost, what stands there is ours.
    return isGranted(now.value.rules, wish) ? null : { wish, theirs: differences(from.value.rules, now.value.rules) };
  };
  const ask = async (wish: Wish): Promise<boolean> => {
    if (held === null) return false;
    let met: Conflict | null = null;
    const ran = await change.run(wish, async () => (met = await grant(wish, held)));
    setConflict(met);
    return ran && met === null;
  };
  return { told, rules: held?.value.rules ?? [], isRead: held !== null, change, conflict, ask, yield: () => setConflict(null) };
}

function isGranted(rules: readonly AlarmRule[], wish: Wish): boolean {
  const own = rules.find((each) => each.own && each.name === wish.name);
  const [wished] = granted([], wish);
  const [found] = own ? granted([], { name: own.name, rule: own }) : [];
  return JSON.stringify(found) === JSON.stringify(wished);
}
