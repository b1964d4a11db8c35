/** The organization's time zone, by which its days are counted and every time is told. */

import { useSyncExternalStore } from "react";
import { useSession } from "../api/session.ts";
import { useLiveStore } from "./store.ts";

/** As the board tells it; while there is none, or for whoever may not see one, as it was when they signed in. */
export function useTimeZone(): string {
  const store = useLiveStore();
  const state = useSession();
  const known = "session" in state ? state.session.organizations.find((each) => each.organization_id === store.organizationId)?.time_zone : undefined;
  // Drawn anew when the zone changes, not with each frame.
  return useSyncExternalStore(store.subscribe, () => store.current().board.organization?.time_zone ?? known ?? "UTC");
}
