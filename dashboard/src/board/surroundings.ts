/** What the board needs beside the feed: slots, the target of the service level, minutes, how the provider fares. Each may fail alone. */

import { useEffect, useState } from "react";
import { type Reading, useReading, valueOf } from "../api/reading.ts";
import { organizationPath } from "../api/client.ts";
import type { Usage } from "../usage/usage.ts";
import { EMPTY_PATH, type Path, pathOf, type ReconciliationState } from "./path.ts";
import type { SlotLedger } from "./slots.ts";

const SLOTS_MS = 15_000;
const PATH_MS = 60_000;
const DAY_MS = 86_400_000;
/** The API looks through a range of 93 days at most. */
export const LOOKED_BACK_DAYS = 92;

/** One answer as a tile takes it: none yet, what was told, or why it could not be had. */
export interface Asked<T> {
  value: T | null;
  fault: string | null;
  retry: () => void;
}

export interface Surroundings {
  slots: Asked<SlotLedger>;
  /** Share, of the rule that watches the service level. */
  target: Asked<number | null>;
  path: Path;
  /** Since when, in seconds, the oldest event that was received waits to be applied; null while that is not known. */
  waitedSeconds: number | null;
  /** Of the billing period; null for who may not see it. */
  usage: Usage | null;
}

interface AlarmRules {
  rules: { metric: string; threshold: number; enabled: boolean }[];
}

interface Told {
  state: ReconciliationState | null;
  last_day: { received: number; last_received_at: string | null };
}

export function useSurroundings(organizationId: string, callsNow: number | null, mayReadUsage: boolean): Surroundings {
  const [from] = useState(() => new Date(Date.now() - LOOKED_BACK_DAYS * DAY_MS).toISOString());
  const at = (...parts: string[]): string => organizationPath(organizationId, ...parts);
  const slots = useReading<SlotLedger>(at("slots"), {}, { everyMs: SLOTS_MS });
  const rules = useReading<AlarmRules>(at("alarm-rules"));
  const own = useReading<{ webhooks: { lag_seconds: number } }>(at(), {}, { everyMs: PATH_MS });
  const usage = useReading<Usage>(mayReadUsage ? at("usage") : null, {}, { everyMs: PATH_MS });
  const provider = useReading<Told>(at("reconciliations"), { limit: 1 }, { everyMs: PATH_MS });
  // Whether any call ever came is asked only of a board without one.
  const isEmpty = callsNow === 0;
  const past = useReading<{ calls: unknown[] }>(isEmpty ? at("calls") : null, { limit: 1, from });
  const { reload } = provider;
  useEffect(() => {
    if (isEmpty) reload();
  }, [isEmpty, reload]);
  const told = valueOf(provider.reading);
  const rule = valueOf(rules.reading)?.rules.find((each) => each.metric === "service_level_percent" && each.enabled);
  return {
    slots: asked(slots.reading, slots.reload),
    target: { ...asked(rules.reading, rules.reload), value: rule ? rule.threshold / 100 : null },
    path: told === null ? EMPTY_PATH : pathOf(told.state, told.last_day, valueOf(past.reading)?.calls.length ?? null),
    waitedSeconds: valueOf(own.reading)?.webhooks.lag_seconds ?? null,
    usage: valueOf(usage.reading),
  };
}

function asked<T>(reading: Reading<T>, retry: () => void): Asked<T> {
  const value = valueOf(reading);
  // Who may not see it needs no Retry: it is left out.
  const fault = reading.status === "failed" || reading.status === "ready" ? reading.fault : null;
  return { value, fault, retry };
}
