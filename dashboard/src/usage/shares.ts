/** Whose a period's usage is, as rows of a table that add up to the period. */

import { field } from "../audit/csv.ts";

export type Kind = "known" | "unknown" | "others";

interface Sums {
  kind: Kind;
  calls: number;
  seconds: number;
  minutes: number;
  cost_micros: number;
}

export interface AssistantUsage extends Sums {
  assistant_id: string | null;
  assistant_name: string | null;
}

export interface NumberUsage extends Sums {
  number: string | null;
}

export interface UsageShares {
  period_start: string;
  period_end: string;
  time_zone: string;
  as_of: string;
  currency: string | null;
  calls: number;
  used_seconds: number;
  used_minutes: number;
  cost_micros: number;
  archived_calls: number;
  by_assistant: AssistantUsage[];
  by_number: NumberUsage[];
}

export type Dimension = "assistant" | "number";

export interface ShareRow extends Sums {
  key: string;
  name: string;
  /** What calls are found by; null where there is nothing to find them by. */
  filter: string | null;
  /** Of the period's seconds; null while there are none. */
  share: number | null;
}

const NOBODY: Readonly<Record<Dimension, string>> = { assistant: "No assistant known", number: "No number known" };

export function rowsOf(shares: UsageShares, dimension: Dimension): ShareRow[] {
  const share = (seconds: number): number | null => (shares.used_seconds > 0 ? seconds / shares.used_seconds : null);
  const special = (each: Sums): string | null => (each.kind === "unknown" ? NOBODY[dimension] : each.kind === "others" ? "All others together" : null);
  if (dimension === "assistant") {
    return shares.by_assistant.map((each) => ({
      ...each,
      key: `${each.kind} ${each.assistant_id} ${each.assistant_id === null ? each.assistant_name : ""}`,
      name: special(each) ?? each.assistant_name ?? each.assistant_id ?? "",
      filter: each.assistant_id,
      share: share(each.seconds),
    }));
  }
  return shares.by_number.map((each) => ({ ...each, key: `${each.kind} ${each.number}`, name: special(each) ?? each.number ?? "", filter: each.number, share: share(each.seconds) }));
}

export type Column = "name" | "calls" | "seconds" | "cost_micros";

export interface Order {
  by: Column;
  descending: boolean;
}

export const FIRST_ORDER: Order = { by: "seconds", descending: true };

/** A column chosen anew: figures the most first, names from A on; chosen once more the other way round. */
export function orderAfter(order: Order, by: Column): Order {
  return order.by === by ? { by, descending: !order.descending } : { by, descending: by !== "name" };
}

const LAST: Readonly<Record<Kind, number>> = { known: 0, unknown: 1, others: 2 };

/** What is nobody's, and what stands for many, comes last in any order. */
export function sorted(rows: readonly ShareRow[], { by, descending }: Order): ShareRow[] {
  const sign = descending ? -1 : 1;
  const compared = (a: ShareRow, b: ShareRow): number => (by === "name" ? a.name.localeCompare(b.name) : a[by] - b[by]);
  return rows.toSorted((a, b) => LAST[a.kind] - LAST[b.kind] || sign * compared(a, b) || a.name.localeCompare(b.name));
}

/** The table as a file, in its order, exact: whole seconds and millionths of the currency. */
export function sharesCsv(rows: readonly ShareRow[], shares: UsageShares, dimension: Dimension): string {
  const names = dimension === "assistant" ? ["assistant", "assistant_id"] : ["number"];
  const header = [...names, "kind", "calls", "seconds", "amount_micros", "currency"];
  const lines = rows.map((row) => [row.name, ...(dimension === "assistant" ? [row.filter ?? ""] : []), row.kind, row.calls, row.seconds, row.cost_micros, shares.currency ?? ""]);
  return [header, ...lines].map((line) => line.map(field).join(",")).join("\r\n").concat("\r\n");
}
