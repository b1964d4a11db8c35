/** The organization's time zone, by which its days are counted. */

import { useLive } from "./store.ts";

export function useTimeZone(): string {
  return useLive().board.organization?.time_zone ?? "UTC";
}
