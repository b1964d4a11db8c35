/** What the table is narrowed to, as chips that take themselves away, and what a filter hides. */

import { type ReactNode, useMemo } from "react";
import { tagsAmong } from "../call/tags.ts";
import { type CallRow, type Rows } from "../calls/rows.ts";
import { chipsOf, FILTER_NAMES, type FilterName, type Filters } from "../calls/filters.ts";
import { counted, words } from "../calls/format.ts";
import { replaceParams } from "../shell/router.ts";
import { ColumnMenu } from "./column-menu.tsx";
import type { Column } from "./columns.ts";
import type { KeptViews } from "./kept-views.ts";
import { ViewMenu } from "./view-menu.tsx";

export interface FilterBarProps {
  filters: Filters;
  rows: Rows;
  changes: number;
  /** Nothing is known yet: a count would be a guess. */
  isFirst: boolean;
  apply: () => void;
  kept: KeptViews;
  columns: readonly Column[];
  /** Saves the calls of the table as a file. */
  save: () => void;
}

export function setFilter(name: FilterName, value: string | null): void {
  replaceParams((params) => (value ? params.set(name, value) : params.delete(name)));
}

/** Shows every call again. */
export const clearFilters = (): void => replaceParams((params) => FILTER_NAMES.forEach((name) => params.delete(name)));

export function FilterBar({ filters, rows, changes, isFirst, apply, kept, columns, save }: FilterBarProps): ReactNode {
  const chips = chipsOf(filters);
  const { calls: hidden, critical } = rows.hidden;
  return (
    <div className="filter-bar">
      <h2 id="calls-title">
        Now <span className="count" id="calls-count">{isFirst ? "" : rows.total}</span>
      </h2>
      <ViewMenu kept={kept} />
      <FilterChoices filters={filters} rows={rows.byId} />
      <ColumnMenu shown={columns} />
      <button type="button" className="csv" id="csv" disabled={isFirst} onClick={save} title="The calls of the table as a file">
        CSV
      </button>
      {chips.map(({ name, text }) => (
        <button key={name} type="button" className="filter-chip" aria-label={`Remove the filter: ${text}`} onClick={() => setFilter(name, null)}>
          {text} <span aria-hidden="true">×</span>
        </button>
      ))}
      {chips.length > 1 && (
        <button type="button" className="link" onClick={clearFilters}>
          Clear all
        </button>
      )}
      {hidden > 0 && (
        <p className="hidden-by-filter" id="filtered" role="status">
          Hidden by filter: {counted(hidden, "call")}
          {critical > 0 && <strong className="warn">, ▲ {critical} critical</strong>}
        </p>
      )}
      {changes > 0 && (
        <button type="button" className="apply" onClick={apply}>
          {counted(changes, "change")} – apply (R)
        </button>
      )}
    </div>
  );
}

const SILENCES = ["15", "60"];
const AGES = ["300", "1800"];

function FilterChoices({ filters, rows }: { filters: Filters; rows: ReadonlyMap<string, CallRow> }): ReactNode {
  const { assistants, tags } = useMemo(() => {
    const live = [...rows.values()].flatMap(({ call }) => (call.status === "ended" ? [] : [call]));
    const names = new Set(live.flatMap((call) => call.assistant_name ?? []));
    return { assistants: [...names].toSorted(), tags: tagsAmong(live) };
  }, [rows]);
  const tagChoices = filters.tag === null || tags.includes(filters.tag) ? tags : [filters.tag, ...tags];
  return (
    <div className="filter-choices" role="group" aria-label="Filters">
      <Choice name="state" label="State" value={filters.state} options={["scheduled", "queued", "ringing", "in-progress", "forwarding"].map((each) => [each, words(each)])} />
      <Choice name="assistant" label="Assistant" value={filters.assistant} options={assistants.map((each) => [each, each])} />
      <Choice name="direction" label="Direction" value={filters.direction} options={[["inbound", "inbound"], ["outbound", "outbound"]]} />
      {tagChoices.length > 0 && <Choice name="tag" label="Tag" value={filters.tag} options={tagChoices.map((each) => [each, each])} />}
      <Choice name="watcher" label="Watched" value={filters.watcher} options={[["me", "by me"]]} />
      <Choice name="silence" label="Silence" value={filters.silence === null ? null : String(filters.silence)} options={SILENCES.map((each) => [each, `over ${each} s`])} />
      <Choice name="age" label="Age" value={filters.age === null ? null : String(filters.age)} options={AGES.map((each) => [each, `over ${Number(each) / 60} min`])} />
      <Choice name="evidence" label="Evidence" value={filters.evidence} options={["confirmed", "quiet", "unconfirmed"].map((each) => [each, each])} />
    </div>
  );
}

function Choice({ name, label, value, options }: { name: FilterName; label: string; value: string | null; options: string[][] }): ReactNode {
  return (
    <select aria-label={label} data-filter={name} value={value ?? ""} onChange={(event) => setFilter(name, event.target.value)}>
      <option value="">{label}</option>
      {options.map(([key, text]) => (
        <option key={key} value={key}>
          {text}
        </option>
      ))}
    </select>
  );
}
