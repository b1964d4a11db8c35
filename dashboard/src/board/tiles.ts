/** The tiles: what each shows, by which formula, and which calls of the table stand behind it. */

import type { Filters, Group } from "../calls/filters.ts";
import { minutes, NOTHING, ofMs, percent, seconds, since, timeIn } from "../calls/format.ts";
import { type Hour } from "../calls/hour.ts";
import { isLive, isWaiting } from "../calls/facts.ts";
import type { BoardCall, CountersView } from "../live/protocol.ts";
import { minutesNumber, type Usage } from "../usage/usage.ts";
import { isFull, type SlotLedger } from "./slots.ts";
import type { Asked } from "./surroundings.ts";

export interface Tile {
  key: string;
  name: string;
  value: string;
  /** What is said beneath the value: a part of it, a target, a count. */
  under: string;
  formula: string;
  /** Whether the value keeps to its target; told in words and by shape. */
  verdict: "good" | "bad" | null;
  spark: readonly (number | null)[] | null;
  sparkName: string;
  /** The calls behind the figure, where they are on the board. */
  group: Group | null;
  /** What opens on a click instead of a group of calls. */
  opens: "slots" | null;
  /** Why the tile cannot be told, and how to ask again; the rest lives. */
  fault: { text: string; retry: () => void } | null;
}

export interface TileWorld {
  counters: CountersView;
  calls: Iterable<BoardCall>;
  hour: Hour;
  now: number;
  timeZone: string;
  alarms: { open: number; critical: number };
  slots: Asked<SlotLedger>;
  /** Share, of the rule that watches the service level. */
  target: Asked<number | null>;
}

type Told = Pick<Tile, "name" | "value" | "under" | "formula"> & Partial<Tile>;

const tile = (key: string, told: Told): Tile => ({ key, verdict: null, spark: null, sparkName: "", group: null, opens: null, fault: null, ...told });

export function tilesOf(world: TileWorld): Tile[] {
  const { counters, hour, now, alarms } = world;
  const { today } = counters;
  const calls = [...world.calls];
  const inbound = calls.filter((call) => isLive(call) && call.direction !== "outbound").length;
  const longest = calls.filter(isWaiting).map((call) => call.created_at).toSorted()[0];
  return [
    tile("live", {
      name: "Live now",
      value: String(counters.live),
      under: `${inbound} in, ${Math.max(0, counters.live - inbound)} out`,
      formula: "Calls that ring or are talked now, refused ones apart. The line: most at once in each of the last 60 minutes.",
      spark: hour.live,
      sparkName: "most live at once",
      group: "live",
    }),
    slotsTile(world),
    tile("waiting", {
      name: "Waiting",
      value: String(counters.waiting),
      under: longest ? `longest ${since(longest, now)}` : "nobody waits",
      formula: "Calls that are scheduled or queued now. The line: most at once in each of the last 60 minutes.",
      spark: hour.waiting,
      sparkName: "most waiting at once",
      group: "waiting",
    }),
    tile("answered", {
      name: "Answered today",
      value: `${today.answered} of ${today.calls}`,
      under: `${today.refused} refused, ${today.abandoned} abandoned`,
      formula: "Calls first seen today that were answered, of all first seen today. The line: answered in each of the last 60 minutes.",
      spark: hour.answered,
      sparkName: "answered",
    }),
    levelTile(world),
    tile("latency", {
      name: "Turn latency p95",
      value: ofMs(today.turn_latency_p95_ms),
      under: `of ${today.turn_latency_n} answers today`,
      formula: "End of the caller's words to the start of the assistant's answer; 95 of 100 answers were at least as fast. The line: the slowest call that ended in each of the last 60 minutes.",
      spark: hour.latencyMs,
      sparkName: "slowest call",
    }),
    tile("alarms", {
      name: "Alarms open",
      value: String(alarms.open),
      under: alarms.critical ? `${alarms.critical} critical` : "none critical",
      verdict: alarms.critical ? "bad" : null,
      formula: "Incidents that have neither recovered nor been resolved. Click: the calls they are about.",
      group: "alarm",
    }),
    tile("stale", {
      name: "Stale",
      value: String(counters.stale),
      under: counters.stale ? "no sign of them" : "all give signs",
      verdict: counters.stale ? "bad" : null,
      formula: "Live calls without any sign for a quarter of an hour, and those of which their provider, asked, knew nothing.",
      group: "stale",
    }),
  ];
}

/** The figures of the day that need no tile of their own. */
export function figuresOf({ counters: { today }, timeZone, usage }: Pick<TileWorld, "counters" | "timeZone"> & { usage: Usage | null }): Tile[] {
  return [
    ...(usage === null ? [] : [minutesFigure(usage, timeZone)]),
    tile("peak", {
      name: "Peak today",
      value: today.peak_at ? String(today.peak_live) : NOTHING,
      under: today.peak_at ? `at ${timeIn(today.peak_at, timeZone)}` : "",
      formula: "Most calls live at one moment today, exactly, by every call's beginning and end.",
    }),
    tile("answer", {
      name: "Speed of answer",
      value: seconds(today.answer_seconds),
      under: `n ${today.answer_n}`,
      formula: "Mean of offered to answered, inbound calls of today (ASA).",
    }),
    tile("handle", {
      name: "Handling time",
      value: seconds(today.handle_seconds),
      under: `n ${today.handle_n}`,
      formula: "Mean of answered to ended or handed over (AHT).",
    }),
    tile("word", {
      name: "First word, median",
      value: ofMs(today.first_word_p50_ms),
      under: `n ${today.first_word_n}`,
      formula: "Answered to the assistant's first audio; half of the calls were at least as fast.",
    }),
    tile("capacity", {
      name: "Capacity in use",
      value: percent(today.capacity_share),
      under: "",
      formula: "Seconds of live calls today / the limit that held then, summed over those seconds; – without a limit.",
    }),
    tile("talk", { name: "Talk time", value: minutes(today.talk_seconds), under: "", formula: "Answered to ended, of all calls first seen today." }),
    tile("webhooks", {
      name: "Webhook lag p95",
      value: ofMs(today.webhook_lag_p95_ms),
      under: `n ${today.webhook_lag_n}`,
      formula: "Our receipt of a message minus when it happened; 95 of 100 came at least as soon.",
    }),
  ];
}

/** The group a click on a tile shows, or none when it is shown already. */
export const toggled = (filters: Filters, group: Group): Group | null => (filters.group === group ? null : group);

function slotsTile({ slots, counters: { today }, timeZone }: TileWorld): Tile {
  const peak = today.peak_at ? `peak ${today.peak_live} at ${timeIn(today.peak_at, timeZone)}` : "no call yet today";
  const ledger = slots.value;
  return tile("slots", {
    name: "Slots in use",
    value: ledger === null ? NOTHING : ledger.limit === null ? String(ledger.in_use) : `${ledger.in_use} of ${ledger.limit}`,
    under: ledger?.limit === null ? `no limit, ${peak}` : peak,
    verdict: ledger !== null && isFull(ledger) ? "bad" : null,
    opens: ledger === null ? null : "slots",
    fault: faultOf(slots),
    formula: "Calls that hold a slot of the organization's limit, those admitted within the last minute too. Asked every 15 s. Peak: most calls live at one moment today. Click: which calls hold them.",
  });
}

/** The billing period's minutes, of its limit and as they will be. */
export function minutesFigure({ used_minutes, limit_minutes, projection, as_of }: Usage, timeZone: string): Tile {
  const ofLimit = limit_minutes === null ? [] : [`of ${minutesNumber(limit_minutes)}`];
  const ahead = projection === null ? [] : [`→ ${minutesNumber(projection.used_minutes)}`];
  return tile("minutes", {
    name: "Minutes",
    value: minutesNumber(used_minutes),
    under: [...ofLimit, ...ahead].join(" "),
    formula: `What the ledger holds of this billing period as of ${timeIn(as_of, timeZone)}, of what limit, and after the arrow what it comes to at this pace. The page of usage tells more.`,
  });
}

const faultOf = ({ fault, retry }: Asked<unknown>): Tile["fault"] => (fault === null ? null : { text: fault, retry });

function levelTile({ counters: { today }, target: asked }: TileWorld): Tile {
  const target = asked.value;
  const share = today.service_level_share;
  const isGood = share === null || target === null ? null : share >= target;
  const aim = target === null ? "" : `, target ${percent(target)}`;
  return tile("level", {
    name: "Service level",
    fault: faultOf(asked),
    value: percent(share),
    under: `of ${today.service_level_n}${aim}`,
    verdict: isGood === null ? null : isGood ? "good" : "bad",
    formula: `Inbound calls answered within ${today.service_level_seconds} s / (answered + abandoned − abandoned within 5 s), today.`,
  });
}
