/** The conversation as it goes. It follows its end for as long as whoever reads it stays there. */

import { type ReactNode, useLayoutEffect, useRef } from "react";
import { timeOfDay } from "../calls/format.ts";
import { useTimeZone } from "../live/time-zone.ts";
import type { Line } from "./lines.ts";

const NEAR_PX = 60;

export function Transcript({ lines }: { lines: readonly Line[] }): ReactNode {
  const timeZone = useTimeZone();
  const endRef = useRef<HTMLOListElement>(null);
  const isAtEnd = useRef(true);
  useLayoutEffect(() => {
    const box = endRef.current?.parentElement;
    if (!box) return;
    const heed = (): void => {
      isAtEnd.current = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_PX;
    };
    box.addEventListener("scroll", heed, { passive: true });
    return () => box.removeEventListener("scroll", heed);
  }, []);
  useLayoutEffect(() => {
    const box = endRef.current?.parentElement;
    if (box && isAtEnd.current) box.scrollTop = box.scrollHeight;
  }, [lines]);
  return (
    <ol className="transcript" id="transcript" ref={endRef}>
      {lines.length === 0 && <li className="note">Nothing was said yet.</li>}
      {lines.map((line) => (
        <li key={line.key} data-kind={line.kind} data-who={line.who} data-final={line.isFinal}>
          <strong>
            {line.kind === "fault" && "▲ "}
            {line.who} <time dateTime={line.at}>{timeOfDay(Date.parse(line.at), timeZone)}</time>
          </strong>
          <span>{line.text}</span>
        </li>
      ))}
    </ol>
  );
}
