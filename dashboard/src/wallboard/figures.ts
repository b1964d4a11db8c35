/** The six figures of a wallboard, in the words that the board has for them. */

import { counted, NOTHING, ofMs, percent, seconds, timeIn } from "../calls/format.ts";
import type { WallboardFigures } from "../live/protocol.ts";

export interface BigTile {
  key: string;
  name: string;
  value: string;
  under: string;
  isBad: boolean;
}

/** A value of the day: a dash while nothing was there to be measured. */
const of = (n: number, value: string): string => (n ? value : NOTHING);

export function bigTiles({ live, waiting, stale, today }: WallboardFigures, timeZone: string): BigTile[] {
  const peak = today.peak_at ? `peak ${today.peak_live} at ${timeIn(today.peak_at, timeZone)}` : "no call yet today";
  const tiles: Omit<BigTile, "isBad">[] = [
    { key: "live", name: "Live now", value: String(live), under: stale ? `▲ ${stale} stale` : peak },
    { key: "waiting", name: "Waiting", value: String(waiting), under: waiting ? "scheduled or queued" : "nobody waits" },
    { key: "answered", name: "Answered today", value: `${today.answered} of ${today.calls}`, under: `${today.refused} refused, ${today.abandoned} abandoned` },
    { key: "level", name: "Service level", value: percent(today.service_level_share), under: `within ${today.service_level_seconds} s, of ${today.service_level_n}` },
    { key: "answer", name: "Speed of answer", value: of(today.answer_n, seconds(today.answer_seconds)), under: `mean of ${counted(today.answer_n, "call")}` },
    { key: "latency", name: "Turn latency p95", value: ofMs(today.turn_latency_p95_ms), under: `of ${counted(today.turn_latency_n, "answer")}` },
  ];
  return tiles.map((each) => ({ ...each, isBad: each.key === "live" && stale > 0 }));
}
