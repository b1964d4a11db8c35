import { expect, test } from "vitest";
import { wholeList } from "../src/api/whole-list.ts";
import { daysOf, fileNameOf, rangeOf } from "../src/audit/range.ts";

interface NumberPage {
  numbers: number[];
  next_cursor: string | null;
}

/** Numbers 0 to `count` - 1 in pages of two; each cursor is the next number. */
const pages = (count: number) => (cursor: string | null): Promise<NumberPage> => {
  const first = Number(cursor ?? 0);
  const numbers = [first, first + 1].filter((each) => each < count);
  return Promise.resolve({ numbers, next_cursor: first + 2 < count ? String(first + 2) : null });
};

async function whole(count: number, most: number, signal = new AbortController().signal): Promise<{ items: readonly number[]; isCut: boolean; told: number[] }> {
  const told: number[] = [];
  const read = await wholeList<NumberPage, number>({ read: pages(count), items: (page) => page.numbers, most, told: (n) => told.push(n), signal });
  return { ...read, told };
}

test("every page is read, each where the one before it ended, and how far is told", async () => {
  expect(await whole(5, 100)).toEqual({ items: [0, 1, 2, 3, 4], isCut: false, told: [2, 4, 5] });
  expect(await whole(0, 100)).toEqual({ items: [], isCut: false, told: [0] });
});

test("no more than the bound is read, and that there is more is told only where there is", async () => {
  expect(await whole(7, 4)).toEqual({ items: [0, 1, 2, 3], isCut: true, told: [2, 4] });
  expect(await whole(4, 4)).toEqual({ items: [0, 1, 2, 3], isCut: false, told: [2, 4] });
  expect(await whole(9, 3)).toEqual({ items: [0, 1, 2], isCut: true, told: [2, 3] });
});

test("what is stopped gives nothing", async () => {
  await expect(whole(5, 100, AbortSignal.abort(new Error("stopped")))).rejects.toThrow("stopped");
});

test("days are whole where the organization is, the last one included", () => {
  const days = daysOf(new URLSearchParams("from=2026-03-28&to=2026-03-29"));
  expect(rangeOf(days, "Europe/Berlin")).toEqual({ from: "2026-03-27T23:00:00.000Z", to: "2026-03-29T22:00:00.000Z" });
  expect(fileNameOf(days)).toBe("audit-log-from-2026-03-28-to-2026-03-29.csv");
  expect(rangeOf(daysOf(new URLSearchParams("from=yesterday")), "UTC")).toEqual({ from: null, to: null });
});
