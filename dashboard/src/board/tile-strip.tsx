/** The strip of tiles. Each tells its formula on hover and focus; those with calls behind them filter the table. */

import type { ReactNode } from "react";
import type { Group } from "../calls/filters.ts";
import { Formula } from "../shell/formula.tsx";
import { useNarrow } from "../shell/narrow.ts";
import { Sparkline } from "./sparkline.tsx";
import type { Tile } from "./tiles.ts";

const VERDICTS = { good: { shape: "✓", word: "on target" }, bad: { shape: "▲", word: "needs a look" } };

export interface TileStripProps {
  tiles: readonly Tile[];
  figures: readonly Tile[];
  chosen: Group | null;
  choose: (group: Group) => void;
  openSlots: () => void;
}

export function TileStrip({ tiles, figures, chosen, choose, openSlots }: TileStripProps): ReactNode {
  const isNarrow = useNarrow();
  const more = (
    <ul className="small-figures">
      {figures.map((tile) => (
        <SmallFigure key={tile.key} tile={tile} />
      ))}
    </ul>
  );
  return (
    <section className="figures" aria-label="Figures">
      <ul className="tiles">
        {tiles.map((tile) => (
          <TileView key={tile.key} tile={tile} isChosen={tile.group !== null && tile.group === chosen} choose={choose} openSlots={openSlots} />
        ))}
      </ul>
      {isNarrow ? (
        <details className="more-figures">
          <summary>More figures of today</summary>
          {more}
        </details>
      ) : (
        more
      )}
    </section>
  );
}

function TileView({ tile, isChosen, choose, openSlots }: { tile: Tile; isChosen: boolean } & Pick<TileStripProps, "choose" | "openSlots">): ReactNode {
  const { group } = tile;
  const verdict = tile.verdict && VERDICTS[tile.verdict];
  const content = (
    <>
      <span className="tile-name">{tile.name}</span>
      <span className="tile-value">{tile.value}</span>
      <span className="tile-under">
        {tile.under}
        {verdict && " "}
        {verdict && (
          <span className="verdict">
            {verdict.shape} {verdict.word}
          </span>
        )}
      </span>
    </>
  );
  return (
    <li className="tile" data-tile={tile.key} data-verdict={tile.verdict ?? undefined}>
      {tile.opens === "slots" ? (
        <button type="button" className="tile-body" aria-haspopup="dialog" onClick={openSlots}>
          {content}
        </button>
      ) : group === null ? (
        <div className="tile-body">{content}</div>
      ) : (
        <button type="button" className="tile-body" aria-pressed={isChosen} onClick={() => choose(group)}>
          {content}
        </button>
      )}
      {tile.fault && (
        <p className="tile-fault" role="alert">
          Not told: {tile.fault.text}{" "}
          <button type="button" className="link" onClick={tile.fault.retry}>
            Retry
          </button>
        </p>
      )}
      {tile.spark && <Sparkline values={tile.spark} name={tile.sparkName} />}
      <Formula of={tile} />
    </li>
  );
}

function SmallFigure({ tile }: { tile: Tile }): ReactNode {
  return (
    <li className="small-figure" data-tile={tile.key}>
      <span className="tile-name">{tile.name}</span> <strong className="tile-value">{tile.value}</strong> <span className="tile-under">{tile.under}</span>
      <Formula of={tile} />
    </li>
  );
}

export function TileSkeleton(): ReactNode {
  return (
    <section className="figures" aria-label="Figures" aria-busy="true">
      <ul className="tiles">
        {Array.from({ length: 8 }, (_, at) => (
          <li key={at} className="tile skeleton">
            <div className="tile-body">
              <span className="tile-name">{"\u00a0"}</span>
              <span className="tile-value">{"\u00a0"}</span>
              <span className="tile-under">{"\u00a0"}</span>
            </div>
          </li>
        ))}
      </ul>
    </section>
  );
}
