/** Every event about the call: when it occurred, when it was received, how often it came. */

import type { ReactNode } from "react";
import { timeOfDay, words } from "../calls/format.ts";
import { useTimeZone } from "../live/time-zone.ts";
import type { TimelineEntry } from "./detail.ts";

export function Timeline({ entries }: { entries: readonly TimelineEntry[] | null }): ReactNode {
  const timeZone = useTimeZone();
  if (entries === null) return <p className="note">Loading…</p>;
  return (
    <table className="timeline">
      <thead>
        <tr>
          <th scope="col">Occurred</th>
          <th scope="col">Received</th>
          <th scope="col">What</th>
        </tr>
      </thead>
      <tbody>
        {entries.map((entry, at) => (
          <tr key={at}>
            <td>{entry.occurred_at ? timeOfDay(Date.parse(entry.occurred_at), timeZone) : "–"}</td>
            <td>{timeOfDay(Date.parse(entry.received_at), timeZone)}</td>
            <td>
              {words(entry.type)}
              {entry.status && ` · ${words(entry.status)}`}
              {entry.deliveries > 1 && <span className="note"> · came {entry.deliveries} times</span>}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
