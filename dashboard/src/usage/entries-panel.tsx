/** The period's ledger, entry by entry: a charge for each call, and what corrects it. */

import type { ReactNode } from "react";
import { usePages } from "../api/pages.ts";
import { At, CallLink, Cell, More, Records, State } from "../admin/parts.tsx";
import { Shown } from "../shell/states.tsx";
import { organizationPath } from "../api/client.ts";
import { amountOfEntry, type EntryPage, entryKey, entryWords, timeOfEntry, type UsageEntry } from "./entries.ts";

const PAGE = 25;

export function EntriesPanel({ organizationId, date }: { organizationId: string; date: string | null }): ReactNode {
  const entries = usePages<EntryPage, UsageEntry>(organizationPath(organizationId, "usage", "entries"), { date, limit: PAGE }, { items: (page) => page.entries, id: entryKey });
  return (
    <section className="panel usage-part" aria-labelledby="entries-title" id="entries">
      <header className="usage-head">
        <h2 id="entries-title">Ledger</h2>
        <p className="note">The latest charge first. Nothing is changed: what is found out later is an entry of its own.</p>
        <a className="button" id="ledger" download href={`${organizationPath(organizationId, "usage", "export")}${date === null ? "" : `?date=${date}`}`}>
          CSV of the whole period
        </a>
      </header>
      <Shown of={entries} what="the ledger">
        {(list) =>
          list.length === 0 ? (
            <p className="note">No call was charged in this period yet.</p>
          ) : (
            <Records caption="Ledger" columns={["Call", "What", "Time", "Amount", "Call ended", "Booked"]}>
              {list.map((each) => (
                <tr key={entryKey(each)} data-entry={entryKey(each)} data-kind={each.kind}>
                  <Cell of="Call">
                    <CallLink id={each.call_id} />
                  </Cell>
                  <Cell of="What">{each.kind === "charge" ? entryWords(each) : <State tone="info">{entryWords(each)}</State>}</Cell>
                  <Cell of="Time">{timeOfEntry(each)}</Cell>
                  <Cell of="Amount">{amountOfEntry(each)}</Cell>
                  <Cell of="Call ended">
                    <At at={each.charged_at} />
                  </Cell>
                  <Cell of="Booked">
                    <At at={each.booked_at} />
                  </Cell>
                </tr>
              ))}
            </Records>
          )
        }
      </Shown>
      <More of={entries} />
    </section>
  );
}
