/** Tells the others which call is looked at here: again and again while it is, by HTTP, because the socket only reads. */

import { useEffect, useSyncExternalStore } from "react";
import { api, organizationPath } from "../api/client.ts";
import { useLive } from "../live/store.ts";

/** The API believes it for 30 s. */
const AGAIN_MS = 10_000;
/** Calls that are only passed on the way to another are not told. */
const SETTLE_MS = 300;
/** As long as this page lives. */
const PAGE = `page-${[Math.random(), Math.random()].map((each) => each.toString(36).slice(2)).join("-")}`;

function subscribe(told: () => void): () => void {
  document.addEventListener("visibilitychange", told);
  return () => document.removeEventListener("visibilitychange", told);
}

const useIsVisible = (): boolean => useSyncExternalStore(subscribe, () => !document.hidden);

/** `callId` is the call that is open; null for none. A page that nobody can see, or that hears nothing, looks at none. */
export function useLooking(organizationId: string, callId: string | null): void {
  const { link, refused } = useLive();
  const isThere = useIsVisible() && refused === null && link.phase === "live";
  const looked = isThere ? callId : null;
  useEffect(() => {
    if (looked === null) return;
    const path = organizationPath(organizationId, "watching", PAGE);
    let isTold = false;
    // Nothing depends on it: what is not told is not shown.
    const tell = (): void => {
      isTold = true;
      void api(path, { method: "PUT", body: { call_id: looked } }).catch(() => undefined);
    };
    const settled = setTimeout(tell, SETTLE_MS);
    const again = setInterval(tell, AGAIN_MS);
    return () => {
      clearTimeout(settled);
      clearInterval(again);
      if (isTold) void api(path, { method: "DELETE" }).catch(() => undefined);
    };
  }, [organizationId, looked]);
}
