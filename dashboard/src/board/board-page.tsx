/** The live board: figures, the calls that go on, alarms and what has just ended, and one call beside them. */

import { type ReactNode, useEffect, useMemo, useRef, useState } from "react";
import { AlarmRail } from "../alarms/alarm-rail.tsx";
import { actOnIncident, type IncidentAction } from "../alarms/incidents.ts";
import { Drawer } from "../call/drawer.tsx";
import { isMuted, openIncidents } from "../calls/alarms.ts";
import { filtersOf, GROUPS, type Group } from "../calls/filters.ts";
import { hourOf } from "../calls/hour.ts";
import { rowsOf } from "../calls/rows.ts";
import { Header, livenessWords } from "../header/header.tsx";
import { useClock, useLive } from "../live/store.ts";
import { KeyMap } from "../shell/key-map.tsx";
import { useKeys } from "../shell/keys.ts";
import type { PageProps } from "../shell/pages.ts";
import { linkTo, replaceParams, useRoute } from "../shell/router.ts";
import { CallsTable } from "../table/calls-table.tsx";
import { EndedTray } from "../table/ended-tray.tsx";
import { FilterBar, setFilter } from "../table/filter-bar.tsx";
import { useFrozenOrder } from "../table/frozen-order.ts";
import { useNewCalls } from "../table/new-rows.ts";
import { Banners, EmptyTable } from "./states.tsx";
import { useSurroundings } from "./surroundings.ts";
import { TileSkeleton, TileStrip } from "./tile-strip.tsx";
import { figuresOf, tilesOf, toggled } from "./tiles.ts";

const HOUR_EVERY_MS = 10_000;

const openCall = (callId: string | null): void => replaceParams((params) => (callId === null ? params.delete("call") : params.set("call", callId)));

export function BoardPage({ organization, session, isExpired }: PageProps): ReactNode {
  const { board, link, over, refused } = useLive();
  const { now, liveness } = useClock(link);
  const { params } = useRoute();
  const filters = useMemo(() => filtersOf(params), [params]);
  const rows = useMemo(() => rowsOf(board, filters, now), [board, filters, now]);
  const { order, setAttended, apply } = useFrozenOrder(rows, JSON.stringify(filters));
  const newIds = useNewCalls(board, now);
  const surroundings = useSurroundings(organization.organization_id, isExpired);
  const incidents = useMemo(() => openIncidents(board), [board]);
  const hourTick = Math.floor(now / HOUR_EVERY_MS);
  // The hour moves slowly; each change of the board would draw it anew.
  // oxlint-disable-next-line react-hooks/exhaustive-deps
  const hour = useMemo(() => hourOf(board.calls.values(), now), [hourTick, board.counters]);
  const scopes = useMemo(() => new Set(organization.scopes), [organization.scopes]);
  const searchRef = useRef<HTMLInputElement>(null);
  const [activeId, setActiveId] = useState<string | null>(null);
  const [showsKeys, setShowsKeys] = useState(false);
  const openId = params.get("call");
  const openRow = openId === null ? undefined : rows.byId.get(openId);
  const isStale = liveness.state === "stale" || isExpired;
  const isFirst = board.position === null;

  const choose = (group: Group): void => setFilter("show", toggled(filters, group));
  const move = (step: number): void => {
    const at = activeId === null ? -1 : order.shown.indexOf(activeId);
    const next = order.shown[Math.min(order.shown.length - 1, Math.max(0, at + step))];
    if (next === undefined) return;
    setActiveId(next);
    if (openId !== null) openCall(next);
  };
  const close = (): void => {
    if (openId === null) return;
    openCall(null);
    document.querySelector<HTMLElement>(`[data-open="${CSS.escape(openId)}"]`)?.focus();
  };
  const open = (callId: string): void => {
    setActiveId(callId);
    openCall(callId);
  };
  const actOnFirst = (action: IncidentAction): void => {
    const candidates = incidents.filter((each) => (action === "acknowledge" ? each.acknowledged_at === null : !isMuted(each, now)));
    const first = candidates.find((each) => each.call_id !== null && each.call_id === openId) ?? candidates[0];
    // What became of it shows in the rail.
    if (first && scopes.has("alarms:write")) void actOnIncident(organization.organization_id, first.incident_id, action).catch(() => undefined);
  };
  useKeys({
    j: () => move(1),
    k: () => move(-1),
    ArrowDown: () => move(1),
    ArrowUp: () => move(-1),
    Enter: () => open(activeId ?? order.shown[0] ?? ""),
    Escape: close,
    "/": () => searchRef.current?.focus(),
    f: () => document.querySelector<HTMLElement>("[data-filter]")?.focus(),
    r: apply,
    a: () => actOnFirst("acknowledge"),
    m: () => actOnFirst("mute"),
    g: () => location.assign(linkTo("/wallboard", { organization: organization.organization_id })),
    "?": () => setShowsKeys(true),
    "0": () => setFilter("show", null),
    ...Object.fromEntries(GROUPS.map((group, at) => [String(at + 1), () => setFilter("show", group)])),
  });
  const name = board.organization?.name ?? organization.name;
  const live = board.counters?.live;
  useEffect(() => {
    document.title = liveness.state === "live" && live !== undefined ? `${live} live · ${name}` : `${livenessWords(liveness).replace(/ \d.*/, "")} · Live calls`;
  }, [liveness, live, name]);

  return (
    <div className="page" data-stale={isStale} data-drawer={openRow !== undefined}>
      <Header
        organization={organization}
        name={name}
        kicker={["Live calls", board.organization?.time_zone].filter(Boolean).join(" · ")}
        session={session}
        liveness={liveness}
        search={{ text: filters.search, inputRef: searchRef }}
        showKeys={() => setShowsKeys(true)}
      />
      <Banners link={link} liveness={liveness} lagP95Ms={board.counters?.today.webhook_lag_p95_ms ?? null} isExpired={isExpired} refused={refused} />
      <main className="board" aria-busy={isFirst} id="board">
        {board.counters && board.organization ? (
          <TileStrip
            tiles={tilesOf({
              counters: board.counters,
              calls: board.calls.values(),
              hour,
              now,
              timeZone: board.organization.time_zone,
              alarms: { open: incidents.length, critical: incidents.filter((each) => each.severity === "critical").length },
              ...surroundings,
            })}
            figures={figuresOf({ counters: board.counters, timeZone: board.organization.time_zone })}
            chosen={filters.group}
            choose={choose}
          />
        ) : (
          <TileSkeleton />
        )}
        <section className="calls" aria-labelledby="calls-title">
          <FilterBar filters={filters} rows={rows} changes={order.changes} apply={apply} />
          {isFirst ? (
            <p className="empty" role="status">
              Loading the board…
            </p>
          ) : order.shown.length === 0 ? (
            <EmptyTable board={board} hidden={rows.hidden.calls} now={now} />
          ) : (
            <CallsTable arranged={order} byId={rows.byId} now={now} openId={openId} activeId={activeId} newIds={newIds} open={open} setAttended={setAttended} />
          )}
        </section>
        <div className="rail">
          <AlarmRail organizationId={organization.organization_id} incidents={incidents} over={over} calls={board.calls} now={now} mayAct={scopes.has("alarms:write")} openCall={open} />
          <EndedTray calls={board.calls.values()} now={now} openCall={open} />
        </div>
      </main>
      {openRow && <Drawer key={openRow.call.call_id} row={openRow} organizationId={organization.organization_id} scopes={scopes} now={now} isStale={isStale} close={close} />}
      {showsKeys && <KeyMap close={() => setShowsKeys(false)} />}
    </div>
  );
}
