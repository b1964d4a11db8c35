/** Every call that goes on: only rows in sight are drawn. The order stands still while somebody is at the table. */

import { useVirtualizer } from "@tanstack/react-virtual";
import { type ReactNode, useEffect, useRef } from "react";
import type { Arranged } from "../calls/order.ts";
import type { CallRow } from "../calls/rows.ts";
import { useNarrow } from "../shell/narrow.ts";
import { CallRowView } from "./call-row.tsx";
import { COLUMNS } from "./columns.ts";

const ROW_HEIGHT = 52;
const CARD_HEIGHT = 118;

export interface CallsTableProps {
  arranged: Arranged;
  byId: ReadonlyMap<string, CallRow>;
  now: number;
  openId: string | null;
  activeId: string | null;
  newIds: ReadonlySet<string>;
  open: (callId: string) => void;
  /** Whether pointer or focus is in the table. */
  setAttended: (isAttended: boolean) => void;
}

export function CallsTable({ arranged, byId, now, openId, activeId, newIds, open, setAttended }: CallsTableProps): ReactNode {
  const scrollRef = useRef<HTMLDivElement>(null);
  const isNarrow = useNarrow();
  const height = isNarrow ? CARD_HEIGHT : ROW_HEIGHT;
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
      <div role="table" className="table" aria-label="Calls that go on, worst first, then oldest" aria-rowcount={shown.length + 1} aria-colcount={COLUMNS.length}>
        <div role="rowgroup" className="table-head">
          <div role="row" className="row" aria-rowindex={1}>
            {COLUMNS.map((column) => (
              <div key={column.key} role="columnheader" className={`c-${column.key} ${column.isNumber ? "number" : ""}`}>
                {column.name}
              </div>
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
