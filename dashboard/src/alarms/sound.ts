/** Alarms that are heard: each once, of many at once the first few, and none that recovers. */

import { isMuted } from "../calls/alarms.ts";
import type { LiveIncident } from "../live/protocol.ts";

const MOST_SOUNDS = 3;
const WITHIN_MS = 10_000;
const TONE_SECONDS = 0.18;
const VOLUME = 0.2;
const CRITICAL = [880, 660, 880];
const OTHERS = [660];

export interface Heard {
  /** Every incident that was seen open: it makes no sound any more. */
  known: ReadonlySet<string>;
  soundedAt: readonly number[];
}

/** What is open when a board is first seen is no news. */
export const heardAtFirst = (incidents: Iterable<LiveIncident>): Heard => ({ known: new Set(Array.from(incidents, (each) => each.incident_id)), soundedAt: [] });

/** What has been heard by then, and how bad the worst is of those that make one sound now; null: nothing does. */
export function heardAfter(heard: Heard, incidents: Iterable<LiveIncident>, now: number): [Heard, LiveIncident["severity"] | null] {
  const fresh = [...incidents].filter((each) => !heard.known.has(each.incident_id));
  if (fresh.length === 0) return [heard, null];
  const soundedAt = heard.soundedAt.filter((at) => now - at < WITHIN_MS);
  const loud = fresh.filter((each) => !isMuted(each, now) && each.acknowledged_at === null);
  const sounds = loud.length > 0 && soundedAt.length < MOST_SOUNDS;
  const known = new Set([...heard.known, ...fresh.map((each) => each.incident_id)]);
  const severity = loud.some((each) => each.severity === "critical") ? "critical" : (loud[0]?.severity ?? null);
  return [{ known, soundedAt: sounds ? [...soundedAt, now] : soundedAt }, sounds ? severity : null];
}

/** One short tone after the other. */
export function play(context: AudioContext, severity: LiveIncident["severity"]): void {
  (severity === "critical" ? CRITICAL : OTHERS).forEach((frequency, at) => {
    const tone = context.createOscillator();
    const volume = context.createGain();
    const begins = context.currentTime + at * TONE_SECONDS;
    tone.frequency.value = frequency;
    volume.gain.setValueAtTime(VOLUME, begins);
    volume.gain.exponentialRampToValueAtTime(0.001, begins + TONE_SECONDS);
    tone.connect(volume).connect(context.destination);
    tone.start(begins);
    tone.stop(begins + TONE_SECONDS);
  });
}
