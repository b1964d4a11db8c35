/** Where the focus goes when another page is shown: to its heading, so that a screen reader begins there. */

import { useEffect, useRef } from "react";

/** Not on the first page, and not when somebody has put the focus elsewhere before the heading was there. */
export function useHeadingFocus(path: string): void {
  const shown = useRef(path);
  useEffect(() => {
    if (shown.current === path) return;
    shown.current = path;
    return focusHeading();
  }, [path]);
}

export function focusMain(): void {
  const main = document.querySelector<HTMLElement>("main");
  if (main === null) return;
  main.tabIndex = -1;
  main.focus();
}

/** Gives the focus to the heading once the page has one; returns how to give up. */
function focusHeading(): () => void {
  const from = document.activeElement;
  const isDone = (): boolean => {
    const heading = document.querySelector<HTMLElement>("main :is(h1, h2)");
    if (heading === null) return false;
    if (document.activeElement === document.body || document.activeElement === from) {
      heading.tabIndex = -1;
      heading.focus({ preventScroll: true });
    }
    return true;
  };
  if (isDone()) return () => undefined;
  const watched = new MutationObserver(() => isDone() && watched.disconnect());
  watched.observe(document.body, { childList: true, subtree: true });
  return () => watched.disconnect();
}
