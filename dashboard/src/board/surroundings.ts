/** What the tiles need beside the feed: slots, asked every 15 s, and the target of the service level. Either may fail alone. */

import { useEffect, useState } from "react";
import { api, organizationPath } from "../api/client.ts";

const SLOTS_MS = 15_000;

export interface Surroundings {
  slots: { limit: number | null; inUse: number } | null;
  serviceLevelTarget: number | null;
}

interface SlotLedger {
  limit: number | null;
  in_use: number;
}

interface AlarmRules {
  rules: { metric: string; threshold: number; enabled: boolean }[];
}

export function useSurroundings(organizationId: string, isExpired: boolean): Surroundings {
  const [slots, setSlots] = useState<Surroundings["slots"]>(null);
  const [target, setTarget] = useState<number | null>(null);
  useEffect(() => {
    if (isExpired) return;
    const stopped = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const askSlots = async (): Promise<void> => {
      const told = document.hidden ? undefined : await asked<SlotLedger>(organizationPath(organizationId, "slots"), stopped.signal);
      if (told !== undefined) setSlots(told && { limit: told.limit, inUse: told.in_use });
      if (!stopped.signal.aborted) timer = setTimeout(() => void askSlots(), SLOTS_MS);
    };
    const askTarget = async (): Promise<void> => {
      const told = await asked<AlarmRules>(organizationPath(organizationId, "alarm-rules"), stopped.signal);
      const rule = told?.rules.find((each) => each.metric === "service_level_percent" && each.enabled);
      setTarget(rule ? rule.threshold / 100 : null);
    };
    void askSlots();
    void askTarget();
    return () => {
      stopped.abort();
      clearTimeout(timer);
    };
  }, [organizationId, isExpired]);
  return { slots, serviceLevelTarget: target };
}

/** The answer; null when there is none. What is not known shows as such, and is asked for again. */
async function asked<T>(path: string, signal: AbortSignal): Promise<T | null> {
  try {
    return await api<T>(path, { signal });
  } catch {
    return null;
  }
}
