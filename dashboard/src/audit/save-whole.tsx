/** The whole log that the filters let through as a file, however little of it is on the page. */

import { type ReactNode, useEffect, useRef, useState } from "react";
import { api, type Asked, faultOf } from "../api/client.ts";
import { wholeList } from "../api/whole-list.ts";
import { saveFile } from "../board/save-file.ts";
import { counted } from "../calls/format.ts";
import { type AuditEntry, type AuditLogPage, csvOf } from "./csv.ts";

export const MOST = 20_000;
const PAGE = 200;

export interface SaveWholeProps {
  path: string;
  filter: NonNullable<Asked["query"]>;
  fileName: string;
}

type Saving = { status: "idle" } | { status: "reading"; count: number } | { status: "saved"; count: number; isCut: boolean } | { status: "failed"; fault: string };

export function SaveWhole({ path, filter, fileName }: SaveWholeProps): ReactNode {
  const [saving, setSaving] = useState<Saving>({ status: "idle" });
  const running = useRef<AbortController | null>(null);
  useEffect(() => () => running.current?.abort(), []);
  const save = async (): Promise<void> => {
    const stopped = new AbortController();
    running.current = stopped;
    setSaving({ status: "reading", count: 0 });
    try {
      const whole = await wholeList<AuditLogPage, AuditEntry>({
        read: (cursor, signal) => api<AuditLogPage>(path, { query: { ...filter, cursor, limit: PAGE }, signal }),
        items: (page) => page.entries,
        most: MOST,
        told: (count) => setSaving({ status: "reading", count }),
        signal: stopped.signal,
      });
      saveFile(csvOf(whole.items), fileName);
      setSaving({ status: "saved", count: whole.items.length, isCut: whole.isCut });
    } catch (error) {
      if (running.current !== stopped) return;
      setSaving(stopped.signal.aborted ? { status: "idle" } : { status: "failed", fault: faultOf(error) });
    }
  };
  const isReading = saving.status === "reading";
  return (
    <>
      {isReading ? (
        <button type="button" onClick={() => running.current?.abort()}>
          Stop
        </button>
      ) : (
        <button type="button" onClick={() => void save()}>
          Save all as CSV
        </button>
      )}
      <span role="status" className={saving.status === "failed" ? "warn" : "note"} id="audit-saving">
        {savingWords(saving)}
      </span>
    </>
  );
}

function savingWords(saving: Saving): string {
  switch (saving.status) {
    case "idle":
      return "";
    case "reading":
      return `Read ${counted(saving.count, "entry", "entries")}…`;
    case "saved":
      return saving.isCut ? `Saved the newest ${saving.count}: no file holds more. Choose fewer days for the older ones.` : `Saved ${counted(saving.count, "entry", "entries")}.`;
    case "failed":
      return `Nothing was saved. ${saving.fault}`;
  }
}
