import { expect, test } from "vitest";
import { minutesFigure } from "../src/board/tiles.ts";
import { amountOfEntry, entryWords, timeOfEntry } from "../src/usage/entries.ts";
import { FIRST_ORDER, type Order, orderAfter, rowsOf, sharesCsv, sorted, type UsageShares } from "../src/usage/shares.ts";
import { barsOf, figuresOf, markWords, money, periodWords, type Usage } from "../src/usage/usage.ts";

const USAGE: Usage = {
  period_start: "2026-03-01T00:00:00.000Z", period_end: "2026-04-01T00:00:00.000Z", time_zone: "UTC", as_of: "2026-03-10T00:00:00.000Z",
  plan: { plan_id: "starter", name: "Starter", monthly_price_micros: 49_000_000, included_minutes: 400, minute_price_micros: 140_000, currency: "usd" },
  used_seconds: 24_300, used_minutes: 405, included_minutes: 400, overage_minutes: 5, limit_minutes: 400, used_share: 1.0125, cost_micros: 700_000, currency: "usd",
  marks: [], projection: null, days: [],
};

const day = (date: string, seconds: number) => ({ date, seconds, calls: null, cost_micros: 0 });
const formula = (basis: "weekday_means" | "straight_line"): string | undefined =>
  figuresOf({ ...USAGE, projection: { basis, used_minutes: 1, overage_seconds: 0, cost_micros: 0 } }).find((each) => each.key === "projected")?.formula;

test("what is used stands beside what it is of, and what is beyond beside its price", () => {
  const told = Object.fromEntries(figuresOf(USAGE).map((each) => [each.key, `${each.value}; ${each.under}`]));
  expect(told["used"]).toBe("405 min; 101 % of 400 min");
  expect(told["overage"]).toBe("5 min; at $0.140 a minute");
  expect(told["projected"]).toBe("–; too early to tell");
});

test("without a plan nothing is made up", () => {
  const told = figuresOf({ ...USAGE, plan: null, included_minutes: null, overage_minutes: null, limit_minutes: null, used_share: null });
  expect(told.filter((each) => ["included", "overage"].includes(each.key)).map((each) => each.value)).toEqual(["–", "–"]);
});

test("the board tells the minutes, of what, what they come to, and as of when", () => {
  const projection = { basis: "straight_line", used_minutes: 1_300, overage_seconds: 0, cost_micros: 0 } as const;
  const told = minutesFigure({ ...USAGE, projection }, "Europe/Berlin");
  expect([told.value, told.under]).toEqual(["405", "of 400 → 1,300"]);
  expect(told.formula).toContain("as of 01:00");
  expect(minutesFigure({ ...USAGE, limit_minutes: null }, "UTC").under).toBe("");
});

test("the formula of a projection is the one it was made by", () => {
  expect(formula("weekday_means")).toContain("mean of its weekday");
  expect(formula("straight_line")).toContain("time passed");
});

test("an alert tells whether it was given, is due, or is to be expected", () => {
  const mark = { percent: 80, seconds: 1, reached: false, told_at: null, expected_at: null };
  expect(markWords(mark, "UTC")).toBe("not expected in this period");
  expect(markWords({ ...mark, reached: true }, "UTC")).toContain("being told");
  expect(markWords({ ...mark, reached: true, told_at: "2026-03-09T10:00:00Z" }, "UTC")).toContain("were told");
});

test("bars are as high as their share of the most, and a little use is seen", () => {
  const { bars, most } = barsOf([day("a", 600), day("b", 300), day("c", 1), day("d", 0)], 100, 100);
  expect(bars.map((bar) => bar.height)).toEqual([100, 50, 2, 0]);
  expect(most).toBe(10);
});

test("a period's last day is inside it", () => {
  expect(periodWords(USAGE.period_start, USAGE.period_end, "UTC")).toBe("1 Mar 2026 – 31 Mar 2026");
  expect(money(49_000_000, "usd")).toBe("$49.00");
});

const sums = (seconds: number, kind: "known" | "unknown" | "others" = "known") => ({ kind, calls: 1, seconds, minutes: seconds / 60, cost_micros: seconds * 2_000 });
const SHARES: UsageShares = {
  period_start: USAGE.period_start, period_end: USAGE.period_end, time_zone: "UTC", as_of: USAGE.as_of, currency: "usd", calls: 4, used_seconds: 400, used_minutes: 6.67, cost_micros: 800_000, archived_calls: 0,
  by_assistant: [
    { ...sums(200), assistant_id: "desk", assistant_name: "Desk" },
    { ...sums(20, "others"), assistant_id: null, assistant_name: null },
    { ...sums(120, "unknown"), assistant_id: null, assistant_name: null },
    { ...sums(60), assistant_id: null, assistant_name: "=Another" },
  ],
  by_number: [{ ...sums(400), number: "+15550300001" }],
};

test("each part has its share of the seconds, and nobody's is named as that", () => {
  const rows = rowsOf(SHARES, "assistant");
  expect(rows.map((row) => [row.name, row.filter, row.share])).toEqual([["Desk", "desk", 0.5], ["All others together", null, 0.05], ["No assistant known", null, 0.3], ["=Another", null, 0.15]]);
  expect(new Set(rows.map((row) => row.key)).size).toBe(4);
  expect(rowsOf({ ...SHARES, used_seconds: 0 }, "number").map((row) => row.share)).toEqual([null]);
});

const names = (order: Order): string[] => sorted(rowsOf(SHARES, "assistant"), order).map((row) => row.name);

test("whatever the order, what is nobody's and what stands for many come last", () => {
  expect(names(FIRST_ORDER)).toEqual(["Desk", "=Another", "No assistant known", "All others together"]);
  expect(names({ by: "seconds", descending: false }).slice(0, 2)).toEqual(["=Another", "Desk"]);
  expect(orderAfter(FIRST_ORDER, "seconds")).toEqual({ by: "seconds", descending: false });
  expect(orderAfter(FIRST_ORDER, "name")).toEqual({ by: "name", descending: false });
});

test("the file is exact, in the order shown, and no cell of it is a formula", () => {
  const [header, first, second] = sharesCsv(sorted(rowsOf(SHARES, "assistant"), FIRST_ORDER), SHARES, "assistant").split("\r\n");
  expect(header).toBe("assistant,assistant_id,kind,calls,seconds,amount_micros,currency");
  expect(first).toBe("Desk,desk,known,1,200,400000,usd");
  expect(second).toBe("'=Another,,known,1,60,120000,usd");
});

test("a correction is told apart from a charge, with the sign of what it adds", () => {
  const entry = { call_id: "c", entry: 1, kind: "charge" as const, seconds: 61, amount_micros: 122_000, currency: "usd", reason: "call", charged_at: USAGE.as_of, booked_at: USAGE.as_of };
  expect([entryWords(entry), timeOfEntry(entry), amountOfEntry(entry)]).toEqual(["charge", "1:01", "$0.122"]);
  const back = { ...entry, entry: 2, kind: "correction" as const, seconds: -11, amount_micros: -22_000, reason: "duration" };
  expect([entryWords(back), timeOfEntry(back), amountOfEntry(back)]).toEqual(["correction: duration", "−0:11", "−$0.022"]);
  expect(timeOfEntry({ ...back, seconds: 5 })).toBe("+0:05");
});
