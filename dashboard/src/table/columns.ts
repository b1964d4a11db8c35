/** The columns of the table. Those shown by default have their widths in table.css, by the room there is; chosen ones bring theirs. */

import type { SortKey } from "../calls/sorting.ts";

export interface Column {
  key: string;
  name: string;
  isNumber?: boolean;
  sort?: SortKey;
  width: string;
}

export const COLUMNS: readonly Column[] = [
  { key: "state", name: "State", sort: "state", width: "9.375rem" },
  { key: "caller", name: "Caller", sort: "caller", width: "minmax(9.375rem, 1.2fr)" },
  { key: "assistant", name: "Assistant", sort: "assistant", width: "minmax(6.875rem, 1fr)" },
  { key: "age", name: "Age", isNumber: true, sort: "age", width: "3.875rem" },
  { key: "silence", name: "Silence", isNumber: true, sort: "silence", width: "6.25rem" },
  { key: "said", name: "Last said", width: "minmax(11.25rem, 2.4fr)" },
  { key: "latency", name: "Latency p95", isNumber: true, sort: "latency", width: "5.75rem" },
  { key: "tools", name: "Tools", isNumber: true, sort: "tools", width: "5.75rem" },
  { key: "cost", name: "Cost", isNumber: true, sort: "cost", width: "4.625rem" },
  { key: "evidence", name: "Evidence", sort: "evidence", width: "7.375rem" },
];

export const OPTIONAL: readonly Column[] = [
  { key: "watchers", name: "Watching", width: "minmax(6.875rem, 1fr)" },
  { key: "tags", name: "Tags", width: "minmax(6.875rem, 1fr)" },
  { key: "campaign", name: "Campaign", width: "7.5rem" },
  { key: "id", name: "Call id", width: "minmax(7.5rem, 1fr)" },
];

const ALL = [...COLUMNS, ...OPTIONAL];
/** Who calls opens the call: without it a row could not be reached. */
export const ALWAYS = "caller";

/** The columns somebody chose, in the table's order; null while nobody did. */
export function chosenColumns(params: URLSearchParams): readonly Column[] | null {
  const asked = params.get("columns");
  if (!asked) return null;
  const keys = new Set([...asked.split(","), ALWAYS]);
  return ALL.filter((column) => keys.has(column.key));
}

/** What the address says once a column was put in or out; null for those shown by default. */
export function columnsText(shown: readonly Column[], key: string): string | null {
  const keys = new Set(shown.map((column) => column.key));
  if (!keys.delete(key)) keys.add(key);
  const next = ALL.filter((column) => keys.has(column.key)).map((column) => column.key);
  return next.join() === COLUMNS.map((column) => column.key).join() ? null : next.join();
}

export { ALL as ALL_COLUMNS };
