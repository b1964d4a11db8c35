/** How live the board is, in words that carry across a room. */

import { timeOfDay } from "../calls/format.ts";
import type { Liveness } from "../live/link.ts";

export interface WallWords {
  shape: string;
  state: string;
  since: string | null;
}

export function wallWords(liveness: Liveness, timeZone: string): WallWords {
  switch (liveness.state) {
    case "live":
      return { shape: "●", state: "Live", since: null };
    case "reconnecting":
      return { shape: "◌", state: "Reconnecting", since: null };
    case "stale":
      return { shape: "✕", state: "Not live", since: `since ${timeOfDay(liveness.sinceAt, timeZone)}` };
    default:
      return { shape: "◌", state: "Connecting", since: null };
  }
}
