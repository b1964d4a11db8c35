/** The views this browser keeps for an organization. Where it keeps nothing they last as long as the page. */

import { useEffect, useMemo, useState } from "react";
import { FIRST_VIEWS, openView, readViews, type View, withView } from "../calls/views.ts";
import { replaceParams } from "../shell/router.ts";

export interface KeptViews {
  views: readonly View[];
  open: (view: View) => void;
  keep: (view: View) => void;
  remove: (view: View) => void;
}

export function useKeptViews(organizationId: string): KeptViews {
  const place = `call-supervisor:views:${organizationId}`;
  const [held, setHeld] = useState(() => ({ place, views: kept(place) }));
  const isHeld = held.place === place;
  const views = useMemo(() => (isHeld ? held.views : kept(place)), [isHeld, held.views, place]);
  useEffect(() => {
    const heed = (event: StorageEvent): void => {
      if (event.key === place) setHeld({ place, views: kept(place) });
    };
    addEventListener("storage", heed);
    return () => removeEventListener("storage", heed);
  }, [place]);
  const become = (next: readonly View[]): void => {
    setHeld({ place, views: next });
    try {
      localStorage.setItem(place, JSON.stringify(next));
    } catch {
      // Full or forbidden: said above.
    }
  };
  return {
    views,
    open: (view) => replaceParams((params) => openView(params, view.query)),
    keep: (view) => become(withView(kept(place, views), view)),
    remove: (view) => become(kept(place, views).filter((each) => each.name !== view.name)),
  };
}

/** Read anew before each change: another tab may have made one. */
function kept(place: string, otherwise = FIRST_VIEWS): readonly View[] {
  try {
    return readViews(localStorage.getItem(place)) ?? otherwise;
  } catch {
    return otherwise;
  }
}
