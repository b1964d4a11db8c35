import { expect, test } from "vitest";
import { startOfDay } from "../src/calls/days.ts";
import { joined } from "../src/history/call-pages.ts";
import { askedOf, chipsOf, filterOf, rangeOf } from "../src/history/query.ts";

const asked = (query: string) => askedOf(new URLSearchParams(query));
const NOW = Date.parse("2026-03-30T12:00:00Z");

test("what the address says is asked in the API's words, and nothing else is", () => {
  const filter = filterOf(asked("q=refund&class=limit&min=30&alarm=no&tag=vip&number=%2B15550100&nonsense=1"));
  const told = Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== null));
  expect(told).toEqual({ search: "refund", ended_class: "limit", min_duration_seconds: 30, has_incident: "false", tag: "vip", number: "+15550100" });
  expect(chipsOf(asked("q=refund&min=30"), String).map((chip) => chip.name)).toEqual(["q", "min"]);
});

test("named days are whole ones where the organization is, also where clocks are changed", () => {
  // On 29 March 2026 Berlin's day has 23 hours.
  const range = rangeOf(asked("from=2026-03-29&to=2026-03-29"), NOW, "Europe/Berlin");
  expect(range).toEqual({ from: "2026-03-28T23:00:00.000Z", to: "2026-03-29T22:00:00.000Z" });
  expect(new Date(startOfDay("2026-10-25", "Europe/Berlin")).toISOString()).toBe("2026-10-24T22:00:00.000Z");
  expect(new Date(startOfDay("2026-10-26", "Europe/Berlin")).toISOString()).toBe("2026-10-25T23:00:00.000Z");
  expect(new Date(startOfDay("2026-01-01", "America/Los_Angeles")).toISOString()).toBe("2026-01-01T08:00:00.000Z");
});

test("without days the range ends now, and an unknown one is the usual week", () => {
  expect(rangeOf(asked("range=1"), NOW, "UTC").from).toBe("2026-03-29T12:00:00.000Z");
  expect(rangeOf(asked("range=1000&from=yesterday"), NOW, "UTC")).toEqual({ from: "2026-03-23T12:00:00.000Z", to: "2026-03-30T12:00:00.000Z" });
});

test("a further page adds to what is shown, its words too", () => {
  const page = { calls: [], highlights: { b: [[{ text: "x", match: true }]] }, from: "f", to: "t", next_cursor: null };
  const found = joined({ calls: [], said: { a: [] }, from: "f", to: "t", next: "n" }, page);
  expect(Object.keys(found.said)).toEqual(["a", "b"]);
  expect(found.next).toBeNull();
});
