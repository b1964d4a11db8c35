import { describe, expect, it } from "vitest";
import { joined } from "../src/api/pages.ts";
import { afterFault } from "../src/api/reading.ts";
import { neededRole, reaches, ROLES, SCOPES } from "../src/api/scopes.ts";
import { ago, dateTime, fromLocalInput, localInput, roughly } from "../src/admin/times.ts";
import { csvOf } from "../src/audit/csv.ts";
import { Problem, SignedOut, Unreachable } from "../src/api/client.ts";
import { differences } from "../src/alarms/rule-differences.ts";
import { clearsWhen, faultOfRule, METRICS, NEW_RULE, opensWhen, granted, type AlarmRule } from "../src/alarms/rules.ts";
import { conditionOf, deliveryState, lastAnswer } from "../src/integrations/health.ts";
import type { Delivery, Integration } from "../src/integrations/api.ts";
import { keyState, liveFirst } from "../src/people/keys.ts";
import type { ApiKey } from "../src/people/api.ts";
import { onboardingWords, progress } from "../src/setup/words.ts";
import type { Onboarding, Step } from "../src/setup/api.ts";
import { lagMs, lagWords, measuresOf, type Told } from "../src/truth/measures.ts";

const NOW = Date.parse("2026-11-28T14:00:00Z");
const before = (ms: number): string => new Date(NOW - ms).toISOString();
const id = (each: string): string => each;
const key = (key_id: string, part: Partial<ApiKey>): ApiKey => ({ key_id, name: key_id, scopes: [], role: "viewer", created_by: null, created_at: before(0), expires_at: null, revoked_at: null, last_used_at: null, ...part });
const step = (state: Step["state"]): Step => ({ step: "probe", state, detail: null, id: null, number: null, made: false, updated_at: null });
const rule = (name: string, own: boolean, part: Partial<AlarmRule> = {}): AlarmRule => ({ ...NEW_RULE, name, own, scope: "call", ...part });
const values = (of: Told): Record<string, string> => Object.fromEntries(measuresOf(of).map((each) => [each.id, each.value]));
const bad = (of: Told): string[] => measuresOf(of).filter((each) => each.isBad).map((each) => each.id);

describe("a list in pages", () => {
  it("puts what is new before what was there, each once", () => {
    expect(joined(["d", "c"], ["c", "b", "a"], id)).toEqual(["d", "c", "b", "a"]);
  });

  it("does not hide what lies between two parts that do not meet", () => {
    expect(joined(["z", "y"], ["b", "a"], id)).toBeNull();
  });
});

describe("a reading", () => {
  const held = { status: "ready", value: 1, fault: null } as const;

  it("keeps what was read when it cannot be read again", () => {
    expect(afterFault(held, new Unreachable())).toEqual({ ...held, fault: "The server cannot be reached." });
    expect(afterFault(held, new SignedOut())).toEqual(held);
  });

  it("shows nothing that may not be seen any more", () => {
    expect(afterFault(held, new Problem(403, { detail: "No." }))).toEqual({ status: "not-permitted", fault: "No." });
    expect(afterFault({ status: "loading" }, new Problem(500, { title: "Broken" }))).toEqual({ status: "failed", fault: "Broken" });
  });
});

describe("times", () => {
  it("are told in their largest unit", () => {
    expect([roughly(900), roughly(61_000), roughly(3_700_000), roughly(200_000_000)]).toEqual(["0 s", "1 min", "1 h", "2 d"]);
    expect([ago(before(5_000), NOW), ago(before(-5_000), NOW), ago(null, NOW)]).toEqual(["5 s ago", "in 5 s", "–"]);
  });

  it("come back from a field as they went in", () => {
    expect(localInput(NOW, "Europe/Berlin")).toBe("2026-11-28T15:00");
    expect(fromLocalInput(localInput(NOW, "Europe/Berlin"), "Europe/Berlin")).toBe("2026-11-28T14:00:00.000Z");
    expect(fromLocalInput("2026-10-25T00:30", "Europe/Berlin")).toBe("2026-10-24T22:30:00.000Z");
    expect(fromLocalInput("", "UTC")).toBeNull();
  });

  it("are those of the organization's zone, its days and years too", () => {
    expect(dateTime("2026-12-31T23:30:00Z", "Europe/Berlin", NOW)).toMatch(/2027.*, 00:30:00$/);
    expect(dateTime("2026-12-31T22:30:00Z", "Europe/Berlin", NOW)).toMatch(/^[^0-9]*31[^0-9]*, 23:30:00$/);
    expect(dateTime(null, "UTC")).toBe("–");
  });
});

describe("scopes", () => {
  it("each name a role that there is", () => {
    expect(Object.values(SCOPES).filter(([role]) => !ROLES.includes(role))).toEqual([]);
    expect(ROLES.map((role) => reaches(role, "calls:control"))).toEqual([true, true, true, false]);
    expect([reaches("nobody", "calls:control"), reaches("owner", "no:such")]).toEqual([false, false]);
    expect([neededRole("billing:write"), neededRole("audit:read"), neededRole("usage:read")]).toEqual(["an owner", "an admin or more", "a supervisor or more"]);
  });
});

describe("the audit log as CSV", () => {
  it("quotes what must be, and gives no spreadsheet a formula", () => {
    const entry = { id: 7, at: "2026-11-28T14:00:00Z", actor: "user:1", action: "end", target: "a,b", reason: 'he said "no"', result: "=1+1" };
    expect(csvOf([entry])).toBe('id,at,actor,action,target,reason,result\r\n7,2026-11-28T14:00:00Z,user:1,end,"a,b","he said ""no""",\'=1+1\r\n');
  });
});

describe("an endpoint", () => {
  const endpoint: Integration = { id: "e", name: "E", url: "https://e.test", events: [], enabled: true, disabled_at: null, disabled_reason: null, failing_since: null, missed_since: null, previous_secret_expires_at: null, created_at: before(0) };
  const health = { integration_id: "e", circuit: "closed", open_until: null, consecutive_failures: 0 } as const;

  it("is healthy until it fails, and then says since when and how often", () => {
    expect(conditionOf(endpoint, undefined, NOW).word).toBe("healthy");
    expect(conditionOf(endpoint, { ...health, consecutive_failures: 1 }, NOW)).toMatchObject({ word: "stumbling", detail: "1 failure in a row." });
    expect(conditionOf({ ...endpoint, failing_since: before(7_200_000) }, { ...health, consecutive_failures: 9 }, NOW)).toMatchObject({ word: "failing", detail: "failing for 2 h, 9 failures in a row." });
  });

  it("is not tried while its circuit is open", () => {
    const open = { ...health, circuit: "open", open_until: before(-30_000), consecutive_failures: 10 } as const;
    expect(conditionOf({ ...endpoint, failing_since: before(60_000) }, open, NOW)).toMatchObject({ tone: "bad", word: "circuit open", detail: "10 failures in a row, failing for 1 min: nothing is tried for 30 s." });
    expect(conditionOf(endpoint, { ...open, open_until: before(1) }, NOW).word).toBe("circuit half open");
  });

  it("says why it is switched off, whatever else is wrong with it", () => {
    const off = { ...endpoint, enabled: false, disabled_at: before(60_000), disabled_reason: "gone", failing_since: before(9) } as const;
    expect(conditionOf(off, undefined, NOW)).toMatchObject({ tone: "off", detail: "It answered 410: it wants nothing any more. 1 min ago." });
  });

  it("tells when a delivery is tried next", () => {
    const delivery: Delivery = { id: "d", integration_id: "e", event: "call.completed", call_id: null, status: "pending", attempts: 2, next_attempt_at: before(-60_000), settled_at: null, created_at: before(0), last_attempt_at: before(5), last_response_status: null, last_error: "connection refused" };
    expect(deliveryState(delivery, NOW).words).toBe("next try in 1 min");
    expect(deliveryState({ ...delivery, next_attempt_at: before(1) }, NOW).words).toBe("trying again");
    expect(deliveryState({ ...delivery, status: "exhausted", next_attempt_at: null }, NOW)).toEqual({ tone: "bad", words: "given up" });
    expect(lastAnswer(delivery)?.words).toBe("no answer: connection refused");
    expect(lastAnswer({ ...delivery, last_response_status: 503, last_error: null })).toEqual({ isGood: false, words: "answered 503" });
    expect(lastAnswer({ ...delivery, last_response_status: 204, last_error: null })?.isGood).toBe(true);
    expect(lastAnswer({ ...delivery, last_attempt_at: null, last_error: null })).toBeNull();
  });
});

describe("API keys", () => {
  it("stand with those first that still open something", () => {
    const [gone, over, leaving, live] = [key("gone", { revoked_at: before(1) }), key("over", { expires_at: before(1) }), key("leaving", { expires_at: before(-1) }), key("live", {})];
    expect(liveFirst([gone, over, leaving, live], NOW).map((each) => each.key_id)).toEqual(["leaving", "live", "gone", "over"]);
    expect([gone, over, leaving, live].map((each) => keyState(each, NOW).word)).toEqual(["revoked", "expired", "live until it expires", "live"]);
  });
});

describe("the checklist", () => {
  it("counts what is verified of what is not left out", () => {
    const steps = [step("done"), step("done"), step("skipped"), step("pending")];
    expect(progress(steps)).toEqual({ done: 2, of: 3, leftOut: 1 });
    expect(onboardingWords({ state: "running", steps } as Onboarding)).toEqual({ tone: "wait", words: "Under way: 2 of 3 steps verified, 1 left out." });
    expect(onboardingWords({ state: "failed", steps } as Onboarding).tone).toBe("bad");
  });
});

describe("alarm rules", () => {
  const rules = [rule("mine", true), rule("call-too-long", false, { threshold: 1800, clear: 1700, pending_seconds: 10, minimum_n: 20 })];

  it("are told in words", () => {
    expect(opensWhen(rules[1] as AlarmRule)).toBe("≥ 30 min (of at least 20) for 10 s");
    expect(clearsWhen(rules[1] as AlarmRule)).toBe("< 28 min");
    expect(opensWhen({ ...NEW_RULE, metric: "service_level_percent", comparison: "below", threshold: 80 })).toBe("< 80 %");
  });

  it("know every metric that there is", () => {
    expect(Object.keys(METRICS)).toHaveLength(15);
  });

  it("are put as the organization's own alone: a default changed becomes one, one taken away is a default again", () => {
    const off = granted(rules, { name: "call-too-long", rule: { ...(rules[1] as AlarmRule), enabled: false } });
    expect(off.map((each) => [each.name, each.enabled])).toEqual([["mine", true], ["call-too-long", false]]);
    expect(Object.keys(off[1] ?? {})).not.toContain("own");
    expect(granted(rules, { name: "mine", rule: null })).toEqual([]);
  });

  it("differ by what is new, gone, the default again or set otherwise", () => {
    const long = rules[1] as AlarmRule;
    const after = [rule("theirs", true), { ...long, own: true, threshold: 600, enabled: false }];
    expect(differences(rules, after)).toEqual([
      { name: "call-too-long", told: ["opens: ≥ 30 min (of at least 20) for 10 s → ≥ 10 min (of at least 20) for 10 s", "state: on → off"] },
      { name: "mine", told: ["was removed"] },
      { name: "theirs", told: [expect.stringMatching(/^is new: opens at/)] },
    ]);
    expect(differences(after, [rule("theirs", true), long])[0]?.told[0]).toBe("is the default again");
    expect(differences(rules, rules)).toEqual([]);
  });

  it("say what is wrong before they are sent", () => {
    expect(faultOfRule({ ...NEW_RULE, name: "Too Long" }, rules, null)).toContain("small letters");
    expect(faultOfRule({ ...NEW_RULE, name: "mine" }, rules, null)).toContain("this name");
    expect(faultOfRule({ ...NEW_RULE, name: "mine" }, rules, "mine")).toBeNull();
    expect(faultOfRule({ ...NEW_RULE, name: "a", threshold: 1, clear: 2 }, rules, null)).toContain("above");
    expect(faultOfRule({ ...NEW_RULE, name: "a", comparison: "below", threshold: 2, clear: 1 }, rules, null)).toContain("below");
  });
});

describe("truth", () => {
  const told: Told = {
    now: NOW,
    stats: { time_zone: "UTC", today: { date: "2026-11-28", ended: 10, webhooks: 200, duplicates: 3, reorders: 2, reorders_per_1000: 10, repairs: 0, webhook_lag_p50_ms: 120, webhook_lag_p95_ms: 900, webhook_lag_n: 197, clock_skewed: 1, reports_missing: 1, reports_missing_share: 0.1 } },
    organization: { webhook_url: "https://x.test", time_zone: "UTC", webhooks: { date: "2026-11-28", received: 204, duplicates: 4, unapplied: 2, lag_seconds: 20 } },
    reconciliations: { state: null, last_day: { received: 300, duplicates: 5, last_received_at: before(3_000), refused: 6, last_refused_at: before(60_000), repaired: 1 }, by_kind: {}, repairs: [], next_cursor: null },
  };

  it("tells each figure as the API does, and marks what is not as it should be", () => {
    // By the figures beside it: another reading of the day may be older.
    expect(measuresOf(told).find((each) => each.id === "duplicates")?.note).toBe("19.6 in 1000; each counts once");
    expect(values(told)).toEqual({ "last-seen": "3 s ago", received: "204", duplicates: "4", late: "2", refused: "6", lag: "120 ms / 900 ms", waiting: "2", missing: "1", repaired: "1", drift: "0" });
    expect(bad(told)).toEqual(["refused", "waiting", "missing", "repaired"]);
  });

  it("never makes a zero of what is not known", () => {
    const unknown = { ...told, stats: { time_zone: "UTC", today: null } };
    expect(values(unknown)).toMatchObject({ late: "–", lag: "–", missing: "–", drift: "–" });
  });

  it("says when something was received before it occurred", () => {
    expect(lagWords(lagMs({ occurred_at: before(0), received_at: before(2_000) }))).toBe("2.0 s before it occurred");
    expect(lagWords(lagMs({ occurred_at: null, received_at: before(0) }))).toBe("–");
  });
});
