/** Whether the page is as narrow as a phone: the table's rows are cards then. The width stands in the styles too. */

import { useSyncExternalStore } from "react";

const NARROW = "(max-width: 860px)";

function subscribe(told: () => void): () => void {
  const query = matchMedia(NARROW);
  query.addEventListener("change", told);
  return () => query.removeEventListener("change", told);
}

export const useNarrow = (): boolean => useSyncExternalStore(subscribe, () => matchMedia(NARROW).matches);
