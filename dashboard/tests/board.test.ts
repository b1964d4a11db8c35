import { expect, test } from "vitest";
import { isNewer, showsHole } from "../src/live/board.ts";

test("positions order by epoch, then by number, beyond what a float holds", () => {
  expect(isNewer("2-1", "1-9")).toBe(true);
  expect(isNewer("9007199254740993-1", "9007199254740992-9")).toBe(true);
  expect(isNewer("1-9007199254740993", "1-9007199254740992")).toBe(true);
  expect(isNewer("1-1", "1-1")).toBe(false);
});

test("a frame that follows one that never came shows a hole", () => {
  const events = { type: "events", position: "1-9", after: "1-6", events: [] } as const;
  const heartbeat = { type: "heartbeat", position: "1-9", time: "2026-03-01T12:00:00.000Z", current: true } as const;
  expect([null, "1-5", "1-6", "1-7", "2-0"].map((held) => showsHole(held, events))).toEqual([false, true, false, false, false]);
  expect([null, "1-8", "1-9", "1-10"].map((held) => showsHole(held, heartbeat))).toEqual([false, true, false, false]);
});
