/** The audit log as a file: RFC 4180, times in ISO. */

export interface AuditEntry {
  id: number;
  at: string;
  actor: string;
  action: string;
  target: string;
  reason: string;
  result: string;
}

export interface AuditLogPage {
  entries: AuditEntry[];
  next_cursor: string | null;
}

const COLUMNS = ["id", "at", "actor", "action", "target", "reason", "result"] as const;

/** A field quoted; one that a spreadsheet would take for a formula begins with an apostrophe. */
export function field(value: string | number): string {
  const text = String(value);
  const plain = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
}

export function csvOf(entries: readonly AuditEntry[]): string {
  return [COLUMNS.join(","), ...entries.map((entry) => COLUMNS.map((name) => field(entry[name])).join(","))].join("\r\n").concat("\r\n");
}
