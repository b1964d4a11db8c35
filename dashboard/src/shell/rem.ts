/** The size of the root's letters: larger on large screens, and where somebody asks their browser for larger text. */

import { useSyncExternalStore } from "react";

let pixels = 16;

function read(): void {
  pixels = Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
}

function subscribe(changed: () => void): () => void {
  const look = (): void => {
    read();
    changed();
  };
  read();
  window.addEventListener("resize", look);
  return () => window.removeEventListener("resize", look);
}

/** Pixels of one rem. */
export function useRem(): number {
  return useSyncExternalStore(subscribe, () => pixels);
}
