/** Single keys that do something, wherever the focus is but in a field or behind an open dialog. */

import { useEffect, useRef } from "react";

export type Keys = Readonly<Record<string, ((event: KeyboardEvent) => void) | undefined>>;

/** These go on for as long as they are held; any other acts once for each press. */
const HELD: ReadonlySet<string> = new Set(["j", "k", "ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight"]);

const nameOf = (key: string): string => (key.length === 1 ? key.toLowerCase() : key);

/** Whether a key acts now: at its repetitions only one that moves does. */
export function isActing({ key, repeat }: Pick<KeyboardEvent, "key" | "repeat">): boolean {
  return !repeat || HELD.has(nameOf(key));
}

export function useKeys(keys: Keys): void {
  const held = useRef(keys);
  held.current = keys;
  useEffect(() => {
    const heed = (event: KeyboardEvent): void => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || isTyped(event)) return;
      const act = held.current[nameOf(event.key)];
      if (!act) return;
      event.preventDefault();
      if (isActing(event)) act(event);
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
