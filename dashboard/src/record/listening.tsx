/** The recording and what was said in it, in step: the line that is heard is marked, and a line leads to its place. */

import { type ReactNode, useEffect, useMemo, useRef, useState } from "react";
import type { Line } from "../call/lines.ts";
import { clock, timeOfDay } from "../calls/format.ts";
import { useTimeZone } from "../live/time-zone.ts";
import { useKeys } from "../shell/keys.ts";
import { lineAt, lineFrom } from "./playback.ts";

const STEP_SECONDS = 5;
const SPEEDS = [1, 1.25, 1.5, 2];

export interface ListeningProps {
  lines: readonly Line[];
  url: string | null;
  whyNoRecording: string;
  whyNoTranscript: string;
}

export function Listening({ lines, url, whyNoRecording, whyNoTranscript }: ListeningProps): ReactNode {
  const audioRef = useRef<HTMLAudioElement>(null);
  const [at, setAt] = useState<number | null>(null);
  const [speed, setSpeed] = useState(1);
  const [isGone, setIsGone] = useState(false);
  const heard = useMemo(() => (at === null ? null : lineAt(lines, at)), [lines, at]);
  const goTo = (seconds: number, plays = false): void => {
    const audio = audioRef.current;
    if (!audio) return;
    audio.currentTime = Math.max(0, seconds);
    setAt(audio.currentTime);
    if (plays) void audio.play().catch(() => setIsGone(true));
  };
  const step = (by: number): void => {
    const line = lineFrom(lines, audioRef.current?.currentTime ?? 0, by);
    if (line?.offset !== undefined) goTo(line.offset);
  };
  useKeys(
    url === null
      ? {}
      : {
          " ": () => void toggle(audioRef.current).catch(() => setIsGone(true)),
          ArrowLeft: () => goTo((audioRef.current?.currentTime ?? 0) - STEP_SECONDS),
          ArrowRight: () => goTo((audioRef.current?.currentTime ?? 0) + STEP_SECONDS),
          ArrowUp: () => step(-1),
          ArrowDown: () => step(1),
        },
  );
  return (
    <section className="panel listening" aria-labelledby="transcript-title">
      <h2 id="transcript-title">Recording and transcript</h2>
      {url === null ? (
        <p className="note" id="no-recording">
          {whyNoRecording}
        </p>
      ) : (
        <div className="player">
          {/* What is said stands below as text, in step. */}
          {/* oxlint-disable-next-line jsx-a11y/media-has-caption */}
          <audio
            ref={audioRef}
            id="recording"
            controls
            preload="metadata"
            src={url}
            onTimeUpdate={(event) => setAt(event.currentTarget.currentTime)}
            onSeeked={(event) => setAt(event.currentTarget.currentTime)}
            onError={() => setIsGone(true)}
          />
          <label>
            <span className="hidden">Speed</span>
            <select
              value={speed}
              onChange={(event) => {
                const next = Number(event.target.value);
                setSpeed(next);
                if (audioRef.current) audioRef.current.playbackRate = next;
              }}
            >
              {SPEEDS.map((each) => (
                <option key={each} value={each}>
                  {each}×
                </option>
              ))}
            </select>
          </label>
          <p className="note">
            <kbd>Space</kbd> play, pause · <kbd>←</kbd> <kbd>→</kbd> {STEP_SECONDS} s · <kbd>↑</kbd> <kbd>↓</kbd> line
          </p>
        </div>
      )}
      {isGone && (
        <p className="fault" role="alert">
          The recording cannot be played: it is kept no more, or the server cannot be reached.
        </p>
      )}
      {lines.length === 0 ? <p className="note">{whyNoTranscript}</p> : <Lines lines={lines} heardKey={heard?.key ?? null} goTo={url === null ? null : (line) => goTo(line.offset ?? 0, true)} />}
    </section>
  );
}

function Lines({ lines, heardKey, goTo }: { lines: readonly Line[]; heardKey: string | null; goTo: ((line: Line) => void) | null }): ReactNode {
  const timeZone = useTimeZone();
  const boxRef = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const box = boxRef.current;
    const line = heardKey === null ? null : box?.querySelector<HTMLElement>(`[data-line="${CSS.escape(heardKey)}"]`);
    if (!box || !line) return;
    // The box alone moves: the page stays where whoever reads it has put it.
    const top = line.offsetTop - box.offsetTop;
    if (top < box.scrollTop || top + line.offsetHeight > box.scrollTop + box.clientHeight) box.scrollTop = top - box.clientHeight / 3;
  }, [heardKey]);
  return (
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <div className="lines" ref={boxRef} role="region" aria-label="Transcript" tabIndex={0}>
      <ol className="transcript" id="transcript">
        {lines.map((line) => {
          const isPlaced = goTo !== null && line.offset !== undefined;
          return (
            // A click anywhere on it leads there; by keyboard the button in it does.
            // oxlint-disable-next-line jsx-a11y/click-events-have-key-events, jsx-a11y/no-noninteractive-element-interactions
            <li
              key={line.key}
              data-line={line.key}
              data-kind={line.kind}
              data-who={line.who}
              data-final={line.isFinal}
              data-placed={isPlaced}
              aria-current={line.key === heardKey ? "true" : undefined}
              onClick={() => isPlaced && getSelection()?.isCollapsed !== false && goTo(line)}
            >
              <strong>
                {line.kind === "fault" && "▲ "}
                {line.who}{" "}
                {isPlaced ? (
                  <button type="button" className="link place" aria-label={`Play from ${clock((line.offset ?? 0) * 1000)}`}>
                    {clock((line.offset ?? 0) * 1000)}
                  </button>
                ) : (
                  <time dateTime={line.at}>{timeOfDay(Date.parse(line.at), timeZone)}</time>
                )}
              </strong>
              <span>{line.text}</span>
            </li>
          );
        })}
      </ol>
    </div>
  );
}

async function toggle(audio: HTMLAudioElement | null): Promise<void> {
  if (audio?.paused) await audio.play();
  else audio?.pause();
}
