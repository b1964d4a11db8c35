import { expect, test } from "vitest";
import { heardAfter, heardAtFirst } from "../src/alarms/sound.ts";
import { tagsAmong } from "../src/call/tags.ts";
import { chipsOf, filtersOf, matches } from "../src/calls/filters.ts";
import { evidenceOf, isStale, lastedWords, silenceMs, wayWords } from "../src/calls/facts.ts";
import { clock, percent, timeIn, timeOfDay } from "../src/calls/format.ts";
import { hourOf, MINUTES } from "../src/calls/hour.ts";
import { arranged } from "../src/calls/order.ts";
import { rowsOf } from "../src/calls/rows.ts";
import { applied, EMPTY_BOARD } from "../src/live/board.ts";
import { FIRST_LINK, heardFrame, livenessOf, lost } from "../src/live/link.ts";
import { overAfter } from "../src/live/store.ts";
import { recentlyEnded } from "../src/table/ended-tray.tsx";
import type { BoardCall, LiveFrame, LiveIncident } from "../src/live/protocol.ts";

const NOW = Date.parse("2026-03-01T12:00:00.000Z");
const at = (secondsAgo: number): string => new Date(NOW - secondsAgo * 1000).toISOString();

function call(id: string, told: Partial<BoardCall> = {}): BoardCall {
  const conversation = { exact: false, first_word_at: null, turns: 0, turn_latency_p50_ms: null, turn_latency_p95_ms: null, turn_latency_max_ms: null, silence_seconds: null, interruptions: 0, tools_failed: 0 };
  return {
    call_id: id, status: "in-progress", type: null, direction: "inbound", assistant_id: null, assistant_name: null, from_number: "+15550100", to_number: null,
    customer_name: null, campaign_id: null, transferred_to: null, created_at: at(60), ringing_at: at(60), answered_at: at(50), ended_at: null, ended_reason: null,
    ended_class: null, fault_owner: null, duration_seconds: null, cost_usd: null, tool_calls: 0, hangs: 0, conversation, report: "pending", processed_at: null,
    evidence_at: at(5), evidence_kind: "speech", absent_at: null, admission: null, released_at: null, tags: [], version: 1, utterances: [], ...told,
  };
}

function incident(callId: string, severity: LiveIncident["severity"]): LiveIncident {
  return {
    incident_id: `of-${callId}`, rule: "call-silent", metric: "silence_seconds", scope: "call", severity, threshold: 15, call_id: callId,
    evidence: { value: 20, since: at(20), call_id: callId, detail: null }, opened_at: at(5), acknowledged_at: null, acknowledged_by: null,
    muted_until: null, recovered_at: null, resolved_at: null, resolved_by: null, lasted_seconds: null,
  };
}

function board(calls: BoardCall[], incidents: LiveIncident[] = []) {
  return { ...EMPTY_BOARD, calls: new Map(calls.map((each) => [each.call_id, each])), incidents: new Map(incidents.map((each) => [each.incident_id, each])) };
}

const known = (): boolean => true;
const everything = filtersOf(new URLSearchParams());

test("rows stand by severity, then by age, and ended calls have left", () => {
  const calls = [call("young", { answered_at: at(10) }), call("old", { answered_at: at(90) }), call("bad"), call("over", { status: "ended" })];
  const rows = rowsOf(board(calls, [incident("bad", "critical")]), everything, NOW);
  expect(rows.sorted).toEqual(["bad", "old", "young"]);
  expect(rows.total).toBe(3);
});

test("what a filter hides is counted, the critical ones apart", () => {
  const calls = [call("in"), call("out", { direction: "outbound" }), call("bad", { direction: "outbound" })];
  const rows = rowsOf(board(calls, [incident("bad", "critical")]), filtersOf(new URLSearchParams("direction=inbound")), NOW);
  expect(rows.sorted).toEqual(["in"]);
  expect(rows.hidden).toEqual({ calls: 2, critical: 1 });
});

test("which way a call goes is told with our line, as far as it is known", () => {
  const ways = [call("a", { to_number: "+15550300000" }), call("b", { direction: "outbound" }), call("c"), call("d", { direction: "web" }), call("e", { direction: null, to_number: "+1" }), call("f", { direction: null })];
  expect(ways.map(wayWords)).toEqual(["in to +15550300000", "out from +15550100", "in", "web", "+1", ""]);
});

test("a tile's group holds the calls that the server counts in it", () => {
  const refused = call("refused", { status: "ringing", admission: "refused:concurrency" });
  const group = (name: string, each: BoardCall): boolean => matches(each, filtersOf(new URLSearchParams({ show: name })), NOW, false);
  expect([group("live", call("a")), group("live", refused), group("refused", refused)]).toEqual([true, false, true]);
  expect([group("waiting", call("q", { status: "queued" })), group("live", call("q", { status: "queued" }))]).toEqual([true, false]);
  expect(isStale(call("quiet", { evidence_at: at(901) }), NOW)).toBe(true);
  expect(isStale(call("absent", { absent_at: at(1) }), NOW)).toBe(true);
  expect(isStale(call("fresh"), NOW)).toBe(false);
});

test("numbers and words are searched, and nonsense in the address narrows nothing", () => {
  const said = call("said", { utterances: [{ role: "user", text: "My invoice", final: true, at: at(20) }] });
  expect(matches(said, filtersOf(new URLSearchParams("q=INVOICE")), NOW, false)).toBe(true);
  expect(matches(said, filtersOf(new URLSearchParams("q=555010")), NOW, false)).toBe(true);
  expect(matches(said, filtersOf(new URLSearchParams("age=soon&show=everything")), NOW, false)).toBe(true);
  expect(silenceMs(said, NOW)).toBe(20_000);
});

test("calls are narrowed to a tag, and a hub of the release before tells of none", () => {
  const tagged = call("tagged", { tags: ["billing", "vip"] });
  const { tags: _, ...told } = call("before");
  const before = told as BoardCall;
  const asked = filtersOf(new URLSearchParams("tag=vip"));
  expect(chipsOf(asked)).toEqual([{ name: "tag", text: "tag vip" }]);
  expect([tagged, call("plain"), before].map((each) => matches(each, asked, NOW, false))).toEqual([true, false, false]);
  expect(matches(tagged, filtersOf(new URLSearchParams("q=BILL")), NOW, false)).toBe(true);
  expect(tagsAmong([tagged, before, call("other", { tags: ["vip", "audit"] })])).toEqual(["audit", "billing", "vip"]);
});

test("a frozen order keeps its rows where they are until it is applied", () => {
  expect(arranged(["b", "a"], null, known)).toEqual({ shown: ["b", "a"], changes: 0 });
  expect(arranged(["b", "a", "c"], ["a", "b"], known)).toEqual({ shown: ["a", "b", "c"], changes: 3 });
  expect(arranged(["b"], ["a", "b"], known)).toEqual({ shown: ["a", "b"], changes: 1 });
  expect(arranged(["b"], ["a", "b"], (id) => id !== "a")).toEqual({ shown: ["b"], changes: 1 });
  expect(arranged(["a", "b"], ["a", "b"], known).changes).toBe(0);
});

test("the last hour counts most at once in each minute, by ends and not by samples", () => {
  const brief = call("brief", { status: "ended", ringing_at: at(125), answered_at: at(124), created_at: at(125), ended_at: at(121) });
  const hour = hourOf([brief, call("on", { ringing_at: at(122), created_at: at(122) })], NOW);
  expect(hour.live).toHaveLength(MINUTES);
  expect(hour.live.slice(-4)).toEqual([0, 2, 1, 1]);
  expect(hour.ended.reduce((a, b) => a + b)).toBe(1);
});

test("a call that just ended is in sight beside any number whose provider's clock runs ahead", () => {
  const ahead = Array.from({ length: 20 }, (_, n) => call(`ahead-${n}`, { status: "ended", ended_at: at(-300 - n), evidence_at: at(30) }));
  const just = call("just", { status: "ended", ended_at: at(2), evidence_at: at(1) });
  expect(recentlyEnded([...ahead, just], NOW).fresh[0]?.call_id).toBe("just");
});

test("evidence is confirmed for a minute, and unconfirmed once the provider knew nothing", () => {
  expect(evidenceOf(call("a"), NOW)).toBe("confirmed");
  expect(evidenceOf(call("a", { evidence_at: at(61) }), NOW)).toBe("quiet");
  expect(evidenceOf(call("a", { absent_at: at(2) }), NOW)).toBe("unconfirmed");
});

test("a link is live, reconnecting for ten seconds, then stale since it was last heard", () => {
  const heartbeat: LiveFrame = { type: "heartbeat", position: "1-1", time: new Date(NOW + 3_000).toISOString(), current: true };
  const link = heardFrame(FIRST_LINK, heartbeat, NOW);
  expect(link.skewMs).toBe(3_000);
  expect(livenessOf(link, NOW + 400)).toEqual({ state: "live", heardMs: 400 });
  const cut = lost(link, NOW + 2_000);
  expect(livenessOf(cut, NOW + 1_000)).toEqual({ state: "reconnecting", retryMs: 1_000 });
  expect(livenessOf(cut, NOW + 10_000)).toEqual({ state: "stale", sinceAt: NOW });
  const blind = heardFrame(link, { ...heartbeat, current: false }, NOW + 5_000);
  expect(livenessOf(heardFrame(blind, { ...heartbeat, current: false }, NOW + 16_000), NOW + 16_000).state).toBe("stale");
});

const twoEvents = (n: number): LiveFrame => ({ type: "events", position: `1-${n}`, after: `1-${n - 2}`, events: [{ type: "call-removed", call_id: "a" }, { type: "call-removed", call_id: "b" }] });

test("what was missed is counted over all frames up to the heartbeat, and not what follows", () => {
  const heartbeat: LiveFrame = { type: "heartbeat", position: "1-4", time: new Date(NOW).toISOString(), current: true };
  let link = lost(heardFrame(FIRST_LINK, heartbeat, NOW), NOW);
  for (const frame of [twoEvents(2), twoEvents(4), heartbeat, twoEvents(6)]) link = heardFrame(link, frame, NOW + 1);
  expect(link.caughtUp).toEqual({ kind: "events", events: 4, at: NOW + 1, isWhole: true });
  const nothing = heardFrame(lost(link, NOW), heartbeat, NOW + 2);
  expect(nothing.caughtUp).toEqual({ kind: "events", events: 0, at: NOW + 2, isWhole: true });
  expect(heardFrame(FIRST_LINK, twoEvents(2), NOW).caughtUp).toBeNull();
});

test("each alarm is heard once, the first few of many, and none that is muted, acknowledged or was open before", () => {
  const bad = incident("bad", "critical");
  const more = ["a", "b", "c", "d"].map((id) => incident(id, "warning"));
  let heard = heardAtFirst([bad]);
  const sounds = (open: LiveIncident[], laterMs: number): string | null => {
    const [next, severity] = heardAfter(heard, open, NOW + laterMs);
    heard = next;
    return severity;
  };
  expect(sounds([bad], 0)).toBeNull();
  expect(more.map((each, laterMs) => sounds([bad, each], laterMs))).toEqual(["warning", "warning", "warning", null]);
  expect(sounds([bad, ...more], 20_000)).toBeNull();
  expect(sounds([{ ...incident("muted", "critical"), muted_until: new Date(NOW + 60_000).toISOString() }], 30_000)).toBeNull();
  expect(sounds([{ ...incident("seen", "critical"), acknowledged_at: at(0) }], 30_000)).toBeNull();
  expect(sounds([incident("e", "notice"), incident("f", "critical")], 30_000)).toBe("critical");
  expect(sounds([], 40_000)).toBeNull();
});

test("a frame that is not newer changes nothing", () => {
  const held = { ...board([call("a")]), position: "1-5" };
  expect(applied(held, { type: "events", position: "1-5", after: "1-4", events: [{ type: "call-removed", call_id: "a" }] })).toBe(held);
  expect(applied(held, { type: "events", position: "1-6", after: "1-5", events: [{ type: "call-removed", call_id: "a" }] }).calls.size).toBe(0);
});

test("what was not measured is a dash", () => {
  expect([percent(null), percent(0.5), clock(3_723_000)]).toEqual(["–", "50 %", "1:02:03"]);
});

test("a day begins at 0 o'clock", () => {
  expect(timeIn("2026-03-01T00:05:11.000Z", "UTC")).toBe("00:05");
  expect(timeOfDay(Date.parse("2026-03-01T08:05:11.000Z"), "America/Los_Angeles")).toBe("00:05:11");
});

test("an incident that ended is shown for a minute, once however often that is told", () => {
  const ended = { ...incident("a", "warning"), recovered_at: at(10) };
  const old = { ...incident("b", "warning"), resolved_at: at(61) };
  expect(overAfter([ended], [ended, old], NOW)).toEqual([ended]);
  expect(overAfter([ended], [], NOW + 60_000)).toEqual([]);
});

test("a call whose length was never told lasted nobody knows how long, which is not 0:00", () => {
  expect(lastedWords(call("a", { status: "ended", duration_seconds: null }))).toBe("length not known");
  expect(lastedWords(call("a", { status: "ended", duration_seconds: 62.4 }))).toBe("lasted 1:02");
});
