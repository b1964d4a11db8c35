/** Which calls are looked at: what the address says, as a predicate and as chips. Who watches a call, its row knows. */

import type { BoardCall } from "../live/protocol.ts";
import { tagsOf } from "../call/tags.ts";
import { words } from "./format.ts";
import { ageMs, evidenceOf, isLive, isRefused, isStale, isWaiting, silenceMs } from "./facts.ts";

export const GROUPS = ["live", "waiting", "stale", "refused", "alarm"] as const;
export type Group = (typeof GROUPS)[number];

export interface Filters {
  search: string;
  group: Group | null;
  state: string | null;
  assistant: string | null;
  direction: string | null;
  number: string | null;
  tag: string | null;
  /** `me`, or the subject of whoever has the call open. */
  watcher: string | null;
  evidence: string | null;
  /** Seconds and more. */
  age: number | null;
  silence: number | null;
}

export const FILTER_NAMES = ["q", "show", "state", "assistant", "direction", "number", "tag", "watcher", "evidence", "age", "silence"] as const;
export type FilterName = (typeof FILTER_NAMES)[number];

export function filtersOf(params: URLSearchParams): Filters {
  const group = params.get("show");
  return {
    search: params.get("q") ?? "",
    group: GROUPS.find((each) => each === group) ?? null,
    state: params.get("state"),
    assistant: params.get("assistant"),
    direction: params.get("direction"),
    number: params.get("number"),
    tag: params.get("tag"),
    watcher: params.get("watcher"),
    evidence: params.get("evidence"),
    age: secondsOf(params.get("age")),
    silence: secondsOf(params.get("silence")),
  };
}

/** What is asked for, each as it is told on a chip. */
export function chipsOf(filters: Filters): { name: FilterName; text: string }[] {
  const groups: Readonly<Record<Group, string>> = {
    live: "live now",
    waiting: "waiting",
    stale: "stale",
    refused: "refused",
    alarm: "with an alarm",
  };
  const told: [FilterName, string | null][] = [
    ["q", filters.search && `“${filters.search}”`],
    ["show", filters.group && groups[filters.group]],
    ["state", filters.state && words(filters.state)],
    ["assistant", filters.assistant && `assistant ${filters.assistant}`],
    ["direction", filters.direction],
    ["number", filters.number && `number ${filters.number}`],
    ["tag", filters.tag && `tag ${filters.tag}`],
    ["watcher", filters.watcher && `watched by ${filters.watcher === "me" ? "me" : "one person"}`],
    ["evidence", filters.evidence],
    ["age", filters.age === null ? null : `older than ${filters.age} s`],
    ["silence", filters.silence === null ? null : `silent for ${filters.silence} s`],
  ];
  return told.flatMap(([name, text]) => (text ? [{ name, text }] : []));
}

export function matches(call: BoardCall, filters: Filters, now: number, hasAlarm: boolean): boolean {
  const { state, assistant, direction, number, tag, evidence, age, silence, search } = filters;
  return (
    isOfGroup(call, filters.group, now, hasAlarm) &&
    (state === null || call.status === state) &&
    (assistant === null || (call.assistant_name ?? call.assistant_id) === assistant) &&
    (direction === null || call.direction === direction) &&
    (number === null || call.from_number === number || call.to_number === number) &&
    (tag === null || tagsOf(call).includes(tag)) &&
    (evidence === null || evidenceOf(call, now) === evidence) &&
    (age === null || ageMs(call, now) >= age * 1000) &&
    (silence === null || (silenceMs(call, now) ?? -1) >= silence * 1000) &&
    (search === "" || isFound(call, search.trim().toLowerCase()))
  );
}

function isOfGroup(call: BoardCall, group: Group | null, now: number, hasAlarm: boolean): boolean {
  switch (group) {
    case "live":
      return isLive(call);
    case "waiting":
      return isWaiting(call);
    case "stale":
      return isStale(call, now);
    case "refused":
      return isRefused(call);
    case "alarm":
      return hasAlarm;
    default:
      return true;
  }
}

function isFound(call: BoardCall, asked: string): boolean {
  const places = [call.call_id, call.status, call.customer_name, call.from_number, call.to_number, call.assistant_name, call.utterances.at(-1)?.text, ...tagsOf(call)];
  return places.some((place) => place?.toLowerCase().includes(asked));
}

function secondsOf(text: string | null): number | null {
  const value = Number(text);
  return text === null || text === "" || !Number.isFinite(value) || value < 0 ? null : value;
}
