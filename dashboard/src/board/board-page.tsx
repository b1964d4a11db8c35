/** The live board: figures, the calls that go on, alarms and what has just ended, and one call beside them. */

import { type ReactNode, useEffect, useMemo, useRef, useState } from "react";
import { AlarmRail } from "../alarms/alarm-rail.tsx";
import { actOnIncident, type IncidentAction } from "../alarms/incidents.ts";
import { Drawer } from "../call/drawer.tsx";
import { alarmText, isMuted, openIncidents } from "../calls/alarms.ts";
import { callsCsv } from "../calls/csv.ts";
import { filtersOf, type Group } from "../calls/filters.ts";
import { hourOf } from "../calls/hour.ts";
import { rowsOf } from "../calls/rows.ts";
import { sortOf } from "../calls/sorting.ts";
import { openView } from "../calls/views.ts";
import { saveFile } from "./save-file.ts";
import { SlotsDialog } from "./slots-dialog.tsx";
import { isFull } from "./slots.ts";
import { useLooking } from "../presence/looking.ts";
import { subjectOf } from "../presence/words.ts";
import { chosenColumns, COLUMNS } from "../table/columns.ts";
import { useKeptViews } from "../table/kept-views.ts";
import { faultOf } from "../api/client.ts";
import { Header, livenessWords } from "../header/header.tsx";
import { useClock, useLive } from "../live/store.ts";
import { useTimeZone } from "../live/time-zone.ts";
import { KeyMap } from "../shell/key-map.tsx";
import { useKeys } from "../shell/keys.ts";
import type { PageProps } from "../shell/pages.ts";
import { linkTo, replaceParams, useRoute } from "../shell/router.ts";
import { CallsTable } from "../table/calls-table.tsx";
import { EndedTray } from "../table/ended-tray.tsx";
import { clearFilters, FilterBar, setFilter } from "../table/filter-bar.tsx";
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
  const { now, liveness } = useClock(link, isExpired);
  const { params } = useRoute();
  const timeZone = useTimeZone();
  const me = subjectOf(session.user);
  const filters = useMemo(() => filtersOf(params), [params]);
  const sort = useMemo(() => sortOf(params), [params]);
  const columns = useMemo(() => chosenColumns(params), [params]);
  const rows = useMemo(() => rowsOf(board, filters, now, sort, me), [board, filters, now, sort, me]);
  const { order, setAttended, apply } = useFrozenOrder(rows, JSON.stringify([organization.organization_id, filters, sort]));
  const kept = useKeptViews(organization.organization_id);
  const newIds = useNewCalls(board, now);
  const isFirst = board.position === null;
  const isClosed = refused === "not-permitted";
  const surroundings = useSurroundings(organization.organization_id, isFirst ? null : rows.total, organization.scopes.includes("usage:read"));
  const ledger = surroundings.slots.value;
  const incidents = useMemo(() => openIncidents(board), [board]);
  const hourTick = Math.floor(now / HOUR_EVERY_MS);
  // The hour moves slowly; each change of the board would draw it anew.
  // oxlint-disable-next-line react-hooks/exhaustive-deps
  const hour = useMemo(() => hourOf(board.calls.values(), now), [hourTick, board.counters]);
  const scopes = useMemo(() => new Set(organization.scopes), [organization.scopes]);
  const searchRef = useRef<HTMLInputElement>(null);
  const [activeId, setActiveId] = useState<string | null>(null);
  const [showsKeys, setShowsKeys] = useState(false);
  const [showsSlots, setShowsSlots] = useState(false);
  const [outcome, setOutcome] = useState<{ of: string; text: string; isFault: boolean } | null>(null);
  const said = outcome?.of === organization.organization_id ? outcome : null;
  const openId = params.get("call");
  const openRow = openId === null ? undefined : rows.byId.get(openId);
  useLooking(organization.organization_id, openRow === undefined ? null : openId);
  const isStale = liveness.state === "stale" || isExpired;

  const choose = (group: Group): void => setFilter("show", toggled(filters, group));
  const move = (step: number): void => {
    const at = activeId === null ? -1 : order.shown.indexOf(activeId);
    const next = order.shown[Math.min(order.shown.length - 1, Math.max(0, at + step))];
    if (next === undefined) return;
    setActiveId(next);
    if (openId !== null) openCall(next);
  };
  const close = (): void => {
    const dropped = document.querySelector<HTMLDetailsElement>(".drop[open]");
    if (dropped) {
      dropped.open = false;
      dropped.querySelector("summary")?.focus();
      return;
    }
    if (openId === null) return;
    openCall(null);
    document.querySelector<HTMLElement>(`[data-open="${CSS.escape(openId)}"]`)?.focus();
  };
  const save = (): void => {
    const found = rows.sorted.flatMap((id) => rows.byId.get(id) ?? []);
    saveFile(callsCsv(found, now), `live-calls-${new Date(now).toISOString().slice(0, 19).replaceAll(":", "")}.csv`);
  };
  const open = (callId: string): void => {
    setActiveId(callId);
    openCall(callId);
  };
  const actOnFirst = (action: IncidentAction): void => {
    const candidates = incidents.filter((each) => (action === "acknowledge" ? each.acknowledged_at === null : !isMuted(each, now)));
    const first = candidates.find((each) => each.call_id !== null && each.call_id === openId) ?? candidates[0];
    if (!scopes.has("alarms:write")) return;
    const of = organization.organization_id;
    if (!first) {
      setOutcome({ of, text: action === "acknowledge" ? "No alarm waits to be acknowledged." : "No alarm is left to be muted.", isFault: false });
      return;
    }
    const done = action === "acknowledge" ? "Acknowledged" : "Muted for 15 minutes";
    actOnIncident(of, first.incident_id, action).then(
      () => setOutcome({ of, text: `${done}: ${alarmText(first)}`, isFault: false }),
      (error: unknown) => setOutcome({ of, text: `Not done: ${faultOf(error)}`, isFault: true }),
    );
  };
  useKeys({
    j: () => move(1),
    k: () => move(-1),
    ArrowDown: () => move(1),
    ArrowUp: () => move(-1),
    Enter: () => {
      const first = activeId ?? order.shown[0];
      if (first !== undefined) open(first);
    },
    Escape: close,
    "/": () => searchRef.current?.focus(),
    f: () => document.querySelector<HTMLElement>("[data-filter]")?.focus(),
    r: apply,
    a: () => actOnFirst("acknowledge"),
    m: () => actOnFirst("mute"),
    g: () => location.assign(linkTo("/wallboard", { organization: organization.organization_id })),
    "?": () => setShowsKeys(true),
    "0": () => replaceParams((told) => openView(told, "")),
    ...Object.fromEntries(kept.views.slice(0, 9).map((view, at) => [String(at + 1), () => kept.open(view)])),
  });
  const name = board.organization?.name ?? organization.name;
  const live = board.counters?.live;
  useEffect(() => {
    document.title = liveness.state === "live" && live !== undefined ? `${live} live · ${name}` : `${livenessWords(liveness, timeZone).replace(/ \d.*/, "")} · Live calls`;
  }, [liveness, live, name, timeZone]);

  return (
    <div className="page" data-stale={isStale} data-drawer={openRow !== undefined}>
      <Header
        organization={organization}
        name={name}
        kicker={["Live calls", board.organization?.time_zone].filter(Boolean).join(" · ")}
        session={session}
        liveness={liveness}
        presence={board.presence}
        search={{ text: filters.search, inputRef: searchRef }}
        showKeys={() => setShowsKeys(true)}
      />
      <Banners link={link} liveness={liveness} lagP95Ms={board.counters?.today.webhook_lag_p95_ms ?? null} isExpired={isExpired} refused={refused}
        waitedMs={surroundings.waitedSeconds === null ? null : surroundings.waitedSeconds * 1_000}
        provider={surroundings.path.provider}
        full={ledger !== null && ledger.limit !== null && isFull(ledger) ? { limit: ledger.limit, refusedToday: board.counters?.today.refused ?? 0, show: () => setShowsSlots(true) } : null}
      />
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
              slots: surroundings.slots,
              target: surroundings.target,
            })}
            figures={figuresOf({ counters: board.counters, timeZone: board.organization.time_zone, usage: surroundings.usage })}
            chosen={filters.group}
            choose={choose}
            openSlots={() => setShowsSlots(true)}
          />
        ) : (
          !isClosed && <TileSkeleton />
        )}
        <section className="calls" aria-labelledby="calls-title">
          <FilterBar filters={filters} rows={rows} changes={order.changes} isFirst={isFirst} apply={apply} kept={kept} columns={columns ?? COLUMNS} save={save} />
          {said && (
            <p className={said.isFault ? "fault" : "note"} role={said.isFault ? "alert" : "status"} id="said">
              {said.text}
            </p>
          )}
          {isFirst ? (
            <p className="empty" role="status">
              {isClosed ? "Nothing of it may be shown." : "Loading the board…"}
            </p>
          ) : order.shown.length === 0 ? (
            <EmptyTable
              hidden={rows.hidden.calls}
              clear={clearFilters}
              path={surroundings.path}
              heardAt={link.heardAt}
              localNow={now - link.skewMs}
              mayCall={scopes.has("calls:create") && scopes.has("phone-numbers:read") && scopes.has("assistants:read")}
              maySetUp={scopes.has("organization:read")}
            />
          ) : (
            <CallsTable arranged={order} byId={rows.byId} columns={columns ?? COLUMNS} isChosen={columns !== null} sort={sort} me={me} now={now} openId={openId} activeId={activeId} newIds={newIds} open={open} setAttended={setAttended} />
          )}
        </section>
        {!isClosed && (
          <div className="rail">
            <AlarmRail isFirst={isFirst} key={organization.organization_id} organizationId={organization.organization_id} incidents={incidents} over={over} calls={board.calls} now={now} mayAct={scopes.has("alarms:write")} openCall={open} />
            <EndedTray isFirst={isFirst} calls={board.calls.values()} now={now} openCall={open} />
          </div>
        )}
      </main>
      {openRow && <Drawer key={openRow.call.call_id} row={openRow} organizationId={organization.organization_id} scopes={scopes} now={now} skewMs={link.skewMs} me={me} isStale={isStale} close={close} />}
      {showsSlots && ledger && (
        <SlotsDialog organizationId={organization.organization_id} mayRelease={scopes.has("slots:release")} changed={surroundings.slots.retry} ledger={ledger} refusedToday={board.counters?.today.refused ?? 0} calls={board.calls} now={now} openCall={open} showRefused={() => setFilter("show", "refused")} close={() => setShowsSlots(false)} />
      )}
      {showsKeys && <KeyMap close={() => setShowsKeys(false)} />}
    </div>
  );
}
