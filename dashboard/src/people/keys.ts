/** Whether an API key still opens anything. */

import type { Tone } from "../admin/parts.tsx";
import type { ApiKey } from "./api.ts";

export interface KeyState {
  tone: Tone;
  word: string;
  isLive: boolean;
}

export function keyState({ revoked_at, expires_at }: Pick<ApiKey, "revoked_at" | "expires_at">, now: number): KeyState {
  if (revoked_at !== null) return { tone: "off", word: "revoked", isLive: false };
  if (expires_at === null) return { tone: "good", word: "live", isLive: true };
  return Date.parse(expires_at) <= now ? { tone: "off", word: "expired", isLive: false } : { tone: "wait", word: "live until it expires", isLive: true };
}

/** Live keys first, each part in the order it came in. */
export function liveFirst(keys: readonly ApiKey[], now: number): readonly ApiKey[] {
  const live = keys.filter((each) => keyState(each, now).isLive);
  return [...live, ...keys.filter((each) => !live.includes(each))];
}
