/** The organization's time zone, by which its days are counted and every time is told. */

import { useSyncExternalStore } from "react";
import { useLiveStore } from "./store.ts";

export function useTimeZone(): string {
  const store = useLiveStore();
  // Drawn anew when the zone changes, not with each frame.
  return useSyncExternalStore(store.subscribe, () => store.current().board.organization?.time_zone ?? "UTC");
}
