import { expect, test } from "vitest";
import { isNewer } from "../src/live/board.ts";

test("positions order by epoch, then by number, beyond what a float holds", () => {
  expect(isNewer("2-1", "1-9")).toBe(true);
  expect(isNewer("9007199254740993-1", "9007199254740992-9")).toBe(true);
  expect(isNewer("1-9007199254740993", "1-9007199254740992")).toBe(true);
  expect(isNewer("1-1", "1-1")).toBe(false);
});
