import { expect, test } from "vitest";
import { toOrganization } from "../src/shell/organization.ts";
import { addressOf, routeOf } from "../src/shell/router.ts";

test("a page's address is its path, and what narrows it stands behind the hash", () => {
  const address = addressOf("/calls", new URLSearchParams({ number: "+15550100", q: "a?b#c" }));
  expect(address.startsWith("/calls#?")).toBe(true);
  const [path = "", hash = ""] = address.split(/(?=#)/);
  const route = routeOf(path, hash);
  expect(route.path).toBe("/calls");
  expect(Object.fromEntries(route.params)).toEqual({ number: "+15550100", q: "a?b#c" });
  expect(addressOf("/", new URLSearchParams())).toBe("/");
});

test("an address of the board as it was told before still leads to what it told", () => {
  const route = routeOf("/", "#/?call=one");
  expect([route.path, route.params.get("call")]).toEqual(["/", "one"]);
  expect(routeOf("/calls/", "").path).toBe("/calls");
});

test("of what narrows a page nothing goes along to another organization", () => {
  const params = new URLSearchParams("organization=a&call=one&number=%2B15550100&number=%2B15550101&endpoint=e");
  toOrganization(params, "b");
  expect(params.toString()).toBe("organization=b");
});
