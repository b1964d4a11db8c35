/** The board on the wall: six figures and the alarms, to be read from across the room; a frozen one looks dead. */

import { type CSSProperties, type ReactNode, useEffect, useMemo, useSyncExternalStore } from "react";
import { timeIn } from "../calls/format.ts";
import { useClock } from "../live/store.ts";
import { useKeys } from "../shell/keys.ts";
import { AlarmBar } from "./alarm-bar.tsx";
import { bigTiles } from "./figures.ts";
import { Note } from "./note.tsx";
import { wallWords } from "./words.ts";
import { WallStore } from "./store.ts";
import "./wallboard.css";

export interface WallboardProps {
  organizationId: string;
  name: string;
  /** Null: it goes by the session. */
  token: string | null;
  /** The credential opens nothing any more. */
  over: () => void;
}

export function Wallboard({ organizationId, name, token, over }: WallboardProps): ReactNode {
  const store = useMemo(() => new WallStore(organizationId, token), [organizationId, token]);
  useEffect(() => store.start(), [store]);
  const { wall, link, refused } = useSyncExternalStore(store.subscribe, store.current);
  const { now, liveness } = useClock(link);
  useEffect(() => {
    if (refused !== null) over();
  }, [refused, over]);
  const toBoard = (): void => {
    if (token === null) location.assign(`/#?organization=${encodeURIComponent(organizationId)}`);
  };
  useKeys({ g: toBoard, Escape: toBoard });
  const title = wall.organization?.name ?? name;
  const timeZone = wall.organization?.time_zone;
  const words = wallWords(liveness, timeZone ?? "UTC");
  useEffect(() => {
    document.title = `${words.state} · ${title}`;
  }, [words.state, title]);
  if (wall.figures === null || timeZone === undefined) return <Note title={title}>{words.state}…</Note>;
  return (
    <main className="wall" data-state={liveness.state}>
      <header className="wall-head">
        <h1>{title}</h1>
        <p className="wall-clock">{timeIn(new Date(now).toISOString(), timeZone)}</p>
      </header>
      <ul className="wall-tiles" aria-label="Figures">
        {bigTiles(wall.figures, timeZone).map((tile) => (
          <li key={tile.key} className="wall-tile" data-tile={tile.key} data-verdict={tile.isBad ? "bad" : undefined}>
            <p className="wall-name">{tile.name}</p>
            <p className="wall-value" style={{ "--letters": tile.value.length } as CSSProperties}>
              {tile.value}
            </p>
            <p className="wall-under">{tile.under}</p>
          </li>
        ))}
      </ul>
      <AlarmBar alarms={wall.alarms.values()} />
      <p className="wall-link" id="wall-link">
        <span>
          <span aria-hidden="true">{words.shape} </span>
          <span role="status">{words.state}</span>
        </span>
        {words.since && <span className="wall-since">{words.since}</span>}
      </p>
    </main>
  );
}
