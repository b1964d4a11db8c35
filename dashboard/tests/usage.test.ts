import { expect, test } from "vitest";
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
