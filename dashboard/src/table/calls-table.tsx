/** Every call that goes on: only rows in sight are drawn. The order stands still while somebody is at the table. */

import { useVirtualizer } from "@tanstack/react-virtual";
import { type CSSProperties, type ReactNode, useEffect, useRef } from "react";
import type { Arranged } from "../calls/order.ts";
import type { CallRow } from "../calls/rows.ts";
import { useNarrow } from "../shell/narrow.ts";
import { useRem } from "../shell/rem.ts";
import { CallRowView } from "./call-row.tsx";
import { nextSort, type Sort, sortText } from "../calls/sorting.ts";
import { replaceParams } from "../shell/router.ts";
import type { Column } from "./columns.ts";

/** As in table.css. */
const ROW_REM = 3.25;
const CARD_REM = 7.375;

export interface CallsTableProps {
  arranged: Arranged;
  byId: ReadonlyMap<string, CallRow>;
  columns: readonly Column[];
  /** Somebody chose the columns: they are shown whatever room there is. */
  isChosen: boolean;
  sort: Sort;
  me: string | null;
  now: number;
  openId: string | null;
  activeId: string | null;
  newIds: ReadonlySet<string>;
  open: (callId: string) => void;
  /** Whether pointer or focus is in the table. */
  setAttended: (isAttended: boolean) => void;
}

export function CallsTable({ arranged, byId, columns, isChosen, sort, me, now, openId, activeId, newIds, open, setAttended }: CallsTableProps): ReactNode {
  const scrollRef = useRef<HTMLDivElement>(null);
  const isNarrow = useNarrow();
  const height = useRem() * (isNarrow ? CARD_REM : ROW_REM);
  const { shown } = arranged;
  const virtualizer = useVirtualizer({
    count: shown.length,
    getScrollElement: () => scrollRef.current,
    estimateSize: () => height,
    overscan: 8,
    getItemKey: (index) => shown[index] ?? index,
  });
  useEffect(() => virtualizer.measure(), [virtualizer, height]);
  const activeIndex = activeId === null ? -1 : shown.indexOf(activeId);
  useEffect(() => {
    if (activeIndex >= 0) virtualizer.scrollToIndex(activeIndex);
  }, [virtualizer, activeIndex]);
  const attention = useRef({ pointer: false, focus: false });
  const attend = (change: Partial<{ pointer: boolean; focus: boolean }>): void => {
    Object.assign(attention.current, change);
    setAttended(attention.current.pointer || attention.current.focus);
  };
  return (
    // The region scrolls, so it takes the focus; attention only freezes the order.
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-element-interactions
    <div
      ref={scrollRef}
      className="table-scroll"
      // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
      tabIndex={0}
      role="region"
      aria-label="Calls that go on"
      onPointerEnter={(event) => event.pointerType === "mouse" && attend({ pointer: true })}
      onPointerLeave={() => attend({ pointer: false })}
      onFocus={() => attend({ focus: true })}
      onBlur={(event) => attend({ focus: event.currentTarget.contains(event.relatedTarget) })}
    >
      <div
        role="table"
        className="table"
        aria-label="Calls that go on"
        aria-rowcount={shown.length + 1}
        aria-colcount={columns.length}
        data-chosen={isChosen}
        style={isChosen ? ({ "--columns": columns.map((column) => column.width).join(" ") } as CSSProperties) : undefined}
      >
        <div role="rowgroup" className="table-head">
          <div role="row" className="row" aria-rowindex={1}>
            {columns.map((column) => (
              <ColumnHead key={column.key} column={column} sort={sort} />
            ))}
          </div>
        </div>
        <div role="rowgroup" className="table-body" id="calls" style={{ height: virtualizer.getTotalSize() }}>
          {virtualizer.getVirtualItems().map((item) => {
            const id = shown[item.index];
            const row = id === undefined ? undefined : byId.get(id);
            return (
              row && (
                <CallRowView
                  key={item.key}
                  row={row}
                  columns={columns}
                  me={me}
                  index={item.index}
                  top={item.start}
                  second={Math.floor(now / 1000)}
                  isOpen={id === openId}
                  isActive={id === activeId || (activeIndex < 0 && item.index === 0)}
                  isNew={newIds.has(row.call.call_id)}
                  open={open}
                />
              )
            );
          })}
        </div>
      </div>
    </div>
  );
}

function ColumnHead({ column: { key, name, isNumber, sort: by }, sort }: { column: Column; sort: Sort }): ReactNode {
  const isSorted = by !== undefined && by === sort.key;
  const resort = (): void => {
    if (by === undefined) return;
    const text = sortText(nextSort(sort, by));
    replaceParams((params) => (text === null ? params.delete("sort") : params.set("sort", text)));
  };
  return (
    <div role="columnheader" className={`c-${key} ${isNumber ? "number" : ""}`} aria-sort={isSorted ? (sort.isDescending ? "descending" : "ascending") : undefined}>
      {by === undefined ? (
        name
      ) : (
        <button type="button" className="link" onClick={resort}>
          {name}
          {isSorted && <span aria-hidden="true">{sort.isDescending ? " ↓" : " ↑"}</span>}
        </button>
      )}
    </div>
  );
}
