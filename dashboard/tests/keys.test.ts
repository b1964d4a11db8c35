import { expect, test } from "vitest";
import { isActing } from "../src/shell/keys.ts";

test("a key that is held moves on, and acknowledges, mutes or ends nothing twice", () => {
  expect(["a", "m", "u", "Enter", " "].filter((key) => isActing({ key, repeat: true }))).toEqual([]);
  expect(["j", "K", "ArrowDown"].filter((key) => isActing({ key, repeat: true }))).toEqual(["j", "K", "ArrowDown"]);
  expect(isActing({ key: "a", repeat: false })).toBe(true);
});
