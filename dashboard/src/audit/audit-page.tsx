/** The append-only log: who did what to what, why, and what came of it. */

import type { ReactNode } from "react";
import { organizationPath } from "../api/client.ts";
import { usePages } from "../api/pages.ts";
import { valueOf } from "../api/reading.ts";
import { AdminPage, At, Cell, More, Part, Records } from "../admin/parts.tsx";
import { Empty, Shown } from "../shell/states.tsx";
import { useTimeZone } from "../live/time-zone.ts";
import type { PageProps } from "../shell/pages.ts";
import { replaceParams, useRoute } from "../shell/router.ts";
import type { AuditEntry, AuditLogPage } from "./csv.ts";
import { daysOf, fileNameOf, rangeOf } from "./range.ts";
import { SaveWhole } from "./save-whole.tsx";

const NAMES = ["actor", "action", "target"] as const;
const FILTERS = [...NAMES, "from", "to"] as const;
const LABELS: Readonly<Record<(typeof FILTERS)[number], string>> = { actor: "Who", action: "Did what", target: "To what", from: "From", to: "To, inclusive" };
const EVERY_MS = 5_000;

export function AuditPage({ organization }: PageProps): ReactNode {
  const { params } = useRoute();
  const timeZone = useTimeZone();
  const days = daysOf(params);
  const filter = { ...Object.fromEntries(NAMES.map((name) => [name, params.get(name)])), ...rangeOf(days, timeZone) };
  const path = organizationPath(organization.organization_id, "audit-log");
  const log = usePages<AuditLogPage, AuditEntry>(
    path,
    { ...filter, limit: 50 },
    { items: (page) => page.entries, id: (each) => each.id },
    EVERY_MS,
  );
  const isFiltered = FILTERS.some((name) => params.has(name));
  const list = valueOf(log.reading) ?? [];
  return (
    <AdminPage id="audit-page" title="Audit log" lead="Nobody can change or remove an entry.">
      <Part
        id="audit"
        title="Entries"
        lead="Newest first. Press a name, an action or a target to see only that."
        actions={
          list.length > 0 && (
            <SaveWhole key={JSON.stringify(filter)} path={path} filter={filter} fileName={fileNameOf(days)} />
          )
        }
      >
        <Filters key={FILTERS.map((name) => params.get(name)).join("\n")} params={params} />
        <Shown of={log} what="the audit log">
          {(entries) =>
            entries.length === 0 ? (
              <Empty title={isFiltered ? "No entry matches the filter." : "Nothing was done yet."}>{isFiltered ? "Filters are exact: a whole name, action or target. Days are whole, where the organization is." : "Every change that somebody makes shows up here."}</Empty>
            ) : (
              <Records caption="Audit log" columns={["When", "Who", "Did what", "To what", "Why", "Result"]}>
                {entries.map((each) => (
                  <tr key={each.id} data-entry={each.id} data-action={each.action}>
                    <Cell of="When">
                      <At at={each.at} />
                    </Cell>
                    <Cell of="Who">
                      <Only name="actor" value={each.actor} />
                    </Cell>
                    <Cell of="Did what">
                      <Only name="action" value={each.action} />
                    </Cell>
                    <Cell of="To what">
                      <Only name="target" value={each.target} />
                    </Cell>
                    <Cell of="Why">{each.reason || "–"}</Cell>
                    <Cell of="Result">{each.result || "–"}</Cell>
                  </tr>
                ))}
              </Records>
            )
          }
        </Shown>
        <More of={log} />
      </Part>
    </AdminPage>
  );
}

function only(name: string, value: string): void {
  replaceParams((params) => (value ? params.set(name, value) : params.delete(name)));
}

function Only({ name, value }: { name: (typeof NAMES)[number]; value: string }): ReactNode {
  return (
    <button type="button" className="link audit-value" title={`Only this ${name}`} onClick={() => only(name, value)}>
      {value}
    </button>
  );
}

function Filters({ params }: { params: URLSearchParams }): ReactNode {
  return (
    <form
      className="filters"
      onSubmit={(event) => {
        event.preventDefault();
        const told = new FormData(event.currentTarget);
        for (const name of FILTERS) only(name, String(told.get(name) ?? "").trim());
      }}
    >
      {FILTERS.map((name) => (
        <label key={name}>
          {LABELS[name]}
          <input name={name} type={name === "from" || name === "to" ? "date" : "text"} defaultValue={params.get(name) ?? ""} maxLength={500} autoComplete="off" spellCheck={false} />
        </label>
      ))}
      <button type="submit">Show</button>
      {FILTERS.some((name) => params.has(name)) && (
        <button type="button" onClick={() => FILTERS.forEach((name) => only(name, ""))}>
          Show all
        </button>
      )}
    </form>
  );
}
