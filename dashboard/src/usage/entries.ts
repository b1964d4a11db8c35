/** The ledger's entries in words. */

import { clock, words } from "../calls/format.ts";
import { money } from "./usage.ts";

export interface UsageEntry {
  call_id: string;
  entry: number;
  kind: "charge" | "correction";
  seconds: number;
  amount_micros: number;
  currency: string;
  reason: string;
  charged_at: string;
  booked_at: string;
}

export interface EntryPage {
  entries: UsageEntry[];
  next_cursor: string | null;
}

export const entryKey = ({ call_id, entry }: Pick<UsageEntry, "call_id" | "entry">): string => `${entry} ${call_id}`;

export function entryWords({ kind, reason }: Pick<UsageEntry, "kind" | "reason">): string {
  return kind === "charge" ? "charge" : `correction: ${words(reason)}`;
}

/** What an entry adds; of a correction with its sign, because it adds to what was charged before. */
function signed(value: number, kind: UsageEntry["kind"], shown: (size: number) => string): string {
  return `${value < 0 ? "−" : kind === "correction" ? "+" : ""}${shown(Math.abs(value))}`;
}

export const timeOfEntry = ({ seconds, kind }: UsageEntry): string => signed(seconds, kind, (size) => clock(size * 1000));

export const amountOfEntry = ({ amount_micros, kind, currency }: UsageEntry): string => signed(amount_micros, kind, (size) => money(size, currency));
