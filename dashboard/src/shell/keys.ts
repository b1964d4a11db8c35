/** Single keys that do something, wherever the focus is but in a field or behind an open dialog. */

import { useEffect, useRef } from "react";

export type Keys = Readonly<Record<string, ((event: KeyboardEvent) => void) | undefined>>;

export function useKeys(keys: Keys): void {
  const held = useRef(keys);
  held.current = keys;
  useEffect(() => {
    const heed = (event: KeyboardEvent): void => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || isTyped(event)) return;
      const act = held.current[event.key.length === 1 ? event.key.toLowerCase() : event.key];
      if (!act) return;
      event.preventDefault();
      act(event);
    };
    addEventListener("keydown", heed);
    return () => removeEventListener("keydown", heed);
  }, []);
}

function isTyped({ target, key }: KeyboardEvent): boolean {
  if (!(target instanceof Element)) return false;
  if (target.closest("dialog")) return true;
  if (target.closest("input, textarea, select")) return key !== "Escape";
  // These have a meaning of their own on what has the focus.
  const isPressed = key === "Enter" || key === " ";
  return (isPressed && target.closest("button, a, summary, audio") !== null) || (key.startsWith("Arrow") && target.closest("[role=tablist], audio") !== null);
}
