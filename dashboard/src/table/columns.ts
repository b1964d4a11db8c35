/** The columns of the table. Their widths stand in table.css. */

export interface Column {
  key: string;
  name: string;
  isNumber?: boolean;
}

export const COLUMNS: readonly Column[] = [
  { key: "state", name: "State" },
  { key: "caller", name: "Caller" },
  { key: "assistant", name: "Assistant" },
  { key: "age", name: "Age", isNumber: true },
  { key: "silence", name: "Silence", isNumber: true },
  { key: "said", name: "Last said" },
  { key: "latency", name: "Latency p95", isNumber: true },
  { key: "tools", name: "Tools", isNumber: true },
  { key: "cost", name: "Cost", isNumber: true },
  { key: "evidence", name: "Evidence" },
];
