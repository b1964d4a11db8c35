import { expect, test } from "vitest";
import type { LiveFrame, WallboardAlarm, WallboardFigures } from "../src/live/protocol.ts";
import { bigTiles } from "../src/wallboard/figures.ts";
import { alarmCount, EMPTY_WALL, wallAfter } from "../src/wallboard/wall.ts";
import { wallWords } from "../src/wallboard/words.ts";

const FIGURES: WallboardFigures = {
  live: 3, stale: 0, waiting: 1,
  today: {
    date: "2026-03-01", calls: 9, answered: 7, refused: 1, abandoned: 1, peak_live: 4, peak_at: "2026-03-01T09:05:00.000Z", service_level_share: 0.875, service_level_n: 8,
    service_level_seconds: 20, answer_seconds: 2.5, answer_n: 7, handle_seconds: null, handle_n: 0, turn_latency_p95_ms: 1200, turn_latency_n: 40, webhook_lag_p95_ms: null, webhook_lag_n: 0,
  },
};
const alarm = (told: Partial<WallboardAlarm> = {}): WallboardAlarm => ({ alarm_id: "a", incident: "1", severity: "critical", acknowledged: false, ...told });
const whole: LiveFrame = {
  type: "wallboard", position: "1-4", reason: "first",
  state: { organization: { organization_id: "o", name: "One", time_zone: "UTC" }, figures: FIGURES, alarms: [alarm()] },
};

test("a wallboard is its whole and what followed", () => {
  const events: LiveFrame = {
    type: "events", position: "1-6", after: "1-4",
    events: [
      { type: "wallboard-alarm", alarm: alarm({ incident: "0" }), open: false },
      { type: "wallboard-alarm", alarm: alarm({ alarm_id: "b", severity: "warning", acknowledged: true }), open: true },
      { type: "organization", name: "Two", time_zone: "UTC" },
      { type: "wallboard-figures", figures: { ...FIGURES, live: 5 } },
    ],
  };
  const wall = wallAfter(wallAfter(EMPTY_WALL, whole), events);
  expect(wall.position).toBe("1-6");
  expect([wall.organization?.name, wall.figures?.live]).toEqual(["Two", 5]);
  expect(alarmCount(wall.alarms.values())).toEqual({ open: 2, critical: 1, unacknowledged: 1 });
  expect(wallAfter(wall, events)).toBe(wall);
  const over: LiveFrame = { type: "events", position: "1-7", after: "1-6", events: [{ type: "wallboard-alarm", alarm: alarm(), open: false }] };
  expect(alarmCount(wallAfter(wall, over).alarms.values()).open).toBe(1);
  expect(wallAfter(EMPTY_WALL, events)).toBe(EMPTY_WALL);
});

test("six figures, with a dash for what was not measured", () => {
  const tiles = bigTiles(FIGURES, "UTC");
  expect(tiles.map((each) => each.value)).toEqual(["3", "1", "7 of 9", "88 %", "2.5 s", "1.2 s"]);
  const none = bigTiles({ ...FIGURES, stale: 2, today: { ...FIGURES.today, service_level_share: null, answer_n: 0, turn_latency_p95_ms: null } }, "UTC");
  expect(none.slice(3).map((each) => each.value)).toEqual(["–", "–", "–"]);
  expect([none[0]?.under, none[0]?.isBad]).toEqual(["▲ 2 stale", true]);
});

test("a board that is not heard of says since when", () => {
  expect(wallWords({ state: "live", heardMs: 4 }, "UTC").state).toBe("Live");
  expect(wallWords({ state: "stale", sinceAt: 0 }, "UTC")).toMatchObject({ state: "Not live" });
  expect(wallWords({ state: "stale", sinceAt: 0 }, "UTC").since).toBe("since 00:00:00");
});
