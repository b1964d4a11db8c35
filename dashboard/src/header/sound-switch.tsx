/** Whether alarms are heard in this browser: off until somebody wants it, and then on a page that is not looked at, too. */

import { type ReactNode, useEffect, useRef, useState } from "react";
import { type Heard, heardAfter, heardAtFirst, play } from "../alarms/sound.ts";
import { useLiveStore } from "../live/store.ts";

const PLACE = "call-supervisor:alarm-sound";

export function SoundSwitch(): ReactNode {
  const store = useLiveStore();
  const [isOn, setIsOn] = useState(isWanted);
  // A browser lets a page be heard only after somebody has touched it.
  const [isAllowed, setIsAllowed] = useState(false);
  const context = useRef<AudioContext | null>(null);
  useEffect(() => {
    if (!isOn) return;
    const stop = new AbortController();
    const audio = new AudioContext();
    context.current = audio;
    const told = (): void => setIsAllowed(audio.state === "running");
    const allow = (): void => void audio.resume();
    audio.addEventListener("statechange", told, { signal: stop.signal });
    for (const kind of ["pointerdown", "keydown"]) addEventListener(kind, allow, { signal: stop.signal });
    allow();
    told();
    return () => {
      stop.abort();
      context.current = null;
      void audio.close();
    };
  }, [isOn]);
  useEffect(() => {
    let heard: Heard | null = null;
    return store.onBoard((board, serverNow) => {
      if (board.position === null) return;
      if (heard === null) {
        heard = heardAtFirst(board.incidents.values());
        return;
      }
      const [next, severity] = heardAfter(heard, board.incidents.values(), serverNow);
      heard = next;
      if (severity !== null && context.current?.state === "running") play(context.current, severity);
    });
  }, [store]);
  const toggle = (): void => {
    want(!isOn);
    setIsOn(!isOn);
  };
  return (
    <button type="button" className="quiet" id="sound" aria-pressed={isOn} title="One sound for each new alarm; none for one that is muted or recovers" onClick={toggle}>
      <span className="sound-word">Sound</span>
      <span aria-hidden="true"> ♪ </span>
      {isOn ? (isAllowed ? "on" : "click once") : "off"}
    </button>
  );
}

function isWanted(): boolean {
  try {
    return localStorage.getItem(PLACE) === "on";
  } catch {
    return false;
  }
}

function want(isOn: boolean): void {
  try {
    localStorage.setItem(PLACE, isOn ? "on" : "off");
  } catch {
    // Where nothing may be kept it lasts as long as the page.
  }
}
