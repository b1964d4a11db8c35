import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { applied, EMPTY_BOARD, isNewer, showsHole, stateOf } from "../src/live/board.ts";
import type { LiveFrame } from "../src/live/protocol.ts";

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

interface Step {
  why: string;
  /** What serve/live/board.py calls it. */
  does: "snapshot" | "events" | "heartbeat" | "presence" | "dropped" | "hole";
  frame: LiveFrame;
  board?: unknown;
}

const { steps } = JSON.parse(readFileSync(new URL("../../tests/fixtures/board_frames.json", import.meta.url), "utf8")) as { steps: Step[] };

test("frames fold to the board to which serve/live/board.py folds them", () => {
  let board = EMPTY_BOARD;
  for (const { why, does, frame, board: expected } of steps) {
    const isHole = showsHole(board.position, frame);
    expect(isHole, why).toBe(does === "hole");
    const next = isHole ? board : applied(board, frame);
    expect(next !== board, why).toBe(["snapshot", "events", "presence"].includes(does));
    board = next;
    if (expected !== undefined) expect({ position: board.position, state: stateOf(board), presence: board.presence }, why).toEqual(expected);
  }
});
