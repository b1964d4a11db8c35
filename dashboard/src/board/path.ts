/** How events reach us: whether any ever did, and whether the provider answers when it is asked. */

export interface ReconciliationState {
  error: string | null;
  failing_since: string | null;
}

export interface Path {
  /** `proven`: something came. `unproven`: nothing ever did. Null while that is not known. */
  proof: "proven" | "unproven" | null;
  lastReceivedAt: number | null;
  /** Since when the provider cannot be asked, and what it said. */
  provider: { failingSince: number; error: string | null } | null;
}

export const EMPTY_PATH: Path = { proof: null, lastReceivedAt: null, provider: null };

/** `callsEver`: how many past calls a look for one found; null while nobody looked. */
export function pathOf(state: ReconciliationState | null, lastDay: { received: number; last_received_at: string | null }, callsEver: number | null): Path {
  const came = lastDay.received > 0 || (callsEver ?? 0) > 0;
  return {
    proof: came ? "proven" : callsEver === null ? null : "unproven",
    lastReceivedAt: lastDay.last_received_at === null ? null : Date.parse(lastDay.last_received_at),
    provider: state?.failing_since ? { failingSince: Date.parse(state.failing_since), error: state.error } : null,
  };
}
