import { expect, test } from "vitest";
import { pathOf } from "../src/board/path.ts";
import { tokenOf } from "../src/shell/sign-in-again.tsx";
import { isFull, policyWords, type SlotLedger } from "../src/board/slots.ts";
import { mutesOf, racedWords } from "../src/call/control.ts";
import { callsCsv } from "../src/calls/csv.ts";
import { filtersOf } from "../src/calls/filters.ts";
import { rowsOf } from "../src/calls/rows.ts";
import { nextSort, sortOf, sortText, WORST_FIRST } from "../src/calls/sorting.ts";
import { FIRST_VIEWS, openView, readViews, viewQuery, withView } from "../src/calls/views.ts";
import { applied, type Board, EMPTY_BOARD } from "../src/live/board.ts";
import type { BoardCall, LiveFrame, PresenceFrame } from "../src/live/protocol.ts";
import { actingWords, actorsByCall, nameOf, namesOf, othersOf, watchersByCall, watchingCount } from "../src/presence/words.ts";
import { chosenColumns, COLUMNS, columnsText } from "../src/table/columns.ts";
import { readFileSync } from "node:fs";

const { steps } = JSON.parse(readFileSync(new URL("../../tests/fixtures/board_frames.json", import.meta.url), "utf8")) as { steps: { does: string; frame: LiveFrame }[] };
const first = steps.find((step) => step.does === "snapshot")?.frame as LiveFrame;
const base = applied(EMPTY_BOARD, first);
const NOW = Date.parse("2026-03-01T12:01:00.000Z");
const everything = filtersOf(new URLSearchParams());

function boardOf(...changes: Partial<BoardCall>[]): Board {
  const [plain] = base.calls.values();
  const calls = changes.map((change) => ({ ...plain, ...change }) as BoardCall);
  return { ...base, incidents: new Map(), calls: new Map(calls.map((call) => [call.call_id, call])) };
}

test("a view is what narrows, orders and lays out, whatever organization and call are looked at", () => {
  const params = new URLSearchParams("organization=o&call=c&show=live&sort=-age&columns=caller,age&q=");
  expect(viewQuery(params)).toBe("show=live&sort=-age&columns=caller%2Cage");
  openView(params, "assistant=Front+desk");
  expect(params.toString()).toBe("organization=o&call=c&assistant=Front+desk");
});

test("a view of the same name takes the place of the one before, and its number", () => {
  const kept = withView(FIRST_VIEWS, { name: "Stale", query: "age=60" });
  expect(kept.map((view) => view.name)).toEqual(FIRST_VIEWS.map((view) => view.name));
  expect(kept[2]?.query).toBe("age=60");
  expect(readViews(JSON.stringify(kept))).toEqual(kept);
  expect([null, "{", "[1]", '[{"name":1,"query":""}]', "{}"].map(readViews)).toEqual([null, null, null, null, null]);
});

test("columns stand in the table's order, and who calls is always among them", () => {
  expect(chosenColumns(new URLSearchParams())).toBe(null);
  expect(chosenColumns(new URLSearchParams("columns=age,id,nonsense"))?.map((column) => column.key)).toEqual(["caller", "age", "id"]);
  const without = columnsText(COLUMNS, "cost") ?? "";
  expect(without).not.toContain("cost");
  expect(columnsText(chosenColumns(new URLSearchParams({ columns: without })) ?? [], "cost")).toBe(null);
});

test("a column sorts its most first, then its least, then worst first again", () => {
  const most = nextSort(WORST_FIRST, "cost");
  expect([sortText(most), sortText(nextSort(most, "cost")), sortText(nextSort(nextSort(most, "cost"), "cost"))]).toEqual(["-cost", "cost", null]);
  expect(sortOf(new URLSearchParams("sort=-nothing"))).toBe(WORST_FIRST);
});

test("what has no value stands last either way", () => {
  const board = boardOf({ call_id: "dear", cost_usd: 2 }, { call_id: "none", cost_usd: null }, { call_id: "cheap", cost_usd: 1 });
  const sorted = (text: string): readonly string[] => rowsOf(board, everything, NOW, sortOf(new URLSearchParams({ sort: text }))).sorted;
  expect(sorted("-cost")).toEqual(["dear", "cheap", "none"]);
  expect(sorted("cost")).toEqual(["cheap", "dear", "none"]);
});

test("the file holds the filtered calls in their order, times in ISO and seconds whole", () => {
  const board = boardOf(
    { call_id: "in", customer_name: 'Ada, "A"', status: "in-progress", answered_at: "2026-03-01T12:00:10.400Z" },
    { call_id: "out", direction: "outbound" },
  );
  const rows = rowsOf(board, filtersOf(new URLSearchParams("direction=inbound")), NOW);
  const [head = "", line = "", ...rest] = callsCsv(rows.sorted.flatMap((id) => rows.byId.get(id) ?? []), NOW).split("\r\n");
  expect(rest).toEqual([""]);
  const names = head.split(",");
  expect(line).toContain('"Ada, ""A"""');
  const values = line.replace('"Ada, ""A"""', "Ada").split(",");
  const told = Object.fromEntries(names.map((name, at) => [name, values[at]]));
  expect(told).toMatchObject({ call_id: "in", answered_at: "2026-03-01T12:00:10.400Z", age_seconds: "49", silence_seconds: "49" });
});

test("people are named, keys and those without a name told apart, and more than are named counted", () => {
  const me = "user:me";
  const named = [{ subject: "user:a", name: "Ada" }, { subject: "user:b", name: null }, { subject: "key:c", name: null }, { subject: me, name: null }, { subject: me, name: "Eve" }];
  expect(named.map((each) => nameOf(each, me))).toEqual(["Ada", "A colleague", "An API key", "You", "Eve (you)"]);
  const acting = ["whisper", "end"].map((action) => ({ subject: "user:a", name: "Ada", call_id: "c", action, at: "t" }));
  const presence: PresenceFrame = { type: "presence", watching: [{ subject: "user:a", name: "Ada", since: "t", sockets: 1, calls: ["c", "d"] }], more: 3, acting };
  expect(watchingCount(presence)).toBe(4);
  const newest = actorsByCall(presence).get("c");
  expect(newest && actingWords(newest, me)).toBe("Ada whispered");
  expect(watchersByCall(presence).get("d")?.map((each) => each.subject)).toEqual(["user:a"]);
});

const watchedBoard = (...watching: unknown[]): Board => ({
  ...boardOf({ call_id: "one" }, { call_id: "two" }, { call_id: "three" }),
  presence: { type: "presence", watching, more: 0, acting: [] } as unknown as PresenceFrame,
});

test("calls are narrowed to those that somebody has open, and a hub of the release before tells of nobody", () => {
  const ada = { subject: "user:a", name: "Ada", since: "t", sockets: 1, calls: ["one", "two"] };
  const eve = { subject: "user:e", name: "Eve", since: "t", sockets: 1, calls: ["two"] };
  const { calls: _, ...before } = ada;
  const found = (query: string, shown: Board): string[] => rowsOf(shown, filtersOf(new URLSearchParams(query)), NOW, WORST_FIRST, "user:e").sorted.toSorted();
  expect(found("watcher=me", watchedBoard(ada, eve))).toEqual(["two"]);
  expect(found("watcher=user:a", watchedBoard(ada, eve))).toEqual(["one", "two"]);
  expect(found("watcher=me", watchedBoard(before))).toEqual([]);
  expect(found("", watchedBoard(before))).toEqual(["one", "three", "two"]);
  const watchers = rowsOf(watchedBoard(ada, eve), filtersOf(new URLSearchParams()), NOW).byId.get("two")?.watchers ?? [];
  expect(namesOf(othersOf(watchers, "user:e"), "user:e")).toBe("Ada");
});

test("an end that came before the one asked for says when and by whom", () => {
  const ended = { status: "ended", ended_at: "2026-03-01T12:00:58.000Z", ended_reason: "customer-ended-call" } as const;
  expect(racedWords(ended, NOW)).toBe("It had already ended 2 s earlier by caller.");
  expect(racedWords({ ...ended, ended_reason: "exceeded-max-duration" }, NOW)).toBe("It had already ended 2 s earlier (exceeded max duration).");
  expect(racedWords({ ...ended, status: "in-progress", ended_at: null }, NOW)).toBe("It had already ended.");
});

test("that nothing ever came is said only once it was looked for", () => {
  const nothing = { received: 0, last_received_at: null };
  expect([null, 0, 1].map((calls) => pathOf(null, nothing, calls).proof)).toEqual([null, "unproven", "proven"]);
  expect(pathOf(null, { received: 1, last_received_at: "2026-03-01T12:00:00.000Z" }, null).proof).toBe("proven");
  expect(pathOf({ error: "503", failing_since: "2026-03-01T12:00:00.000Z" }, nothing, 0).provider?.error).toBe("503");
});

test("slots are full at their limit, and what lies beyond is said", () => {
  const ledger: SlotLedger = { limit: 2, in_use: 2, reserved: 0, minutes: { cap: null, policy: "block", used: null }, slots: [] };
  expect([ledger, { ...ledger, in_use: 1 }, { ...ledger, limit: null }].map(isFull)).toEqual([true, false, false]);
  expect(policyWords({ ...ledger, minutes: { cap: 10, policy: "block-outbound", used: 10 } }).join(" ")).toContain("no call is placed; inbound calls are taken");
});

test("a sign-in link is read for its token", () => {
  expect(tokenOf(" http://127.0.0.1:8000/login?token=sup_abcdefgh ")).toBe("sup_abcdefgh");
  expect([tokenOf("sup_abcdefgh"), tokenOf("nothing here"), tokenOf("")]).toEqual(["sup_abcdefgh", null, null]);
});

const did = (action: string, result = "done", whom?: string): { type: string; details: Record<string, unknown> } => ({ type: "call-control", details: { action, result, ...(whom ? { whom } : {}) } });

test("the history tells whether the assistant is muted, by what was done alone", () => {
  const history = [did("mute"), did("unmute", "refused"), did("say"), did("unmute", "done", "customer"), { type: "status-update", details: null }];
  expect(mutesOf(history)).toEqual([true]);
  expect(mutesOf([...history, did("unmute", "done", "assistant")])).toEqual([true, false]);
});
