/** Whose the usage of the period is: by assistant and by number, each with its share. */

import { type ReactNode, useEffect, useEffectEvent, useState } from "react";
import { organizationPath } from "../api/client.ts";
import { useReading, valueOf } from "../api/reading.ts";
import { saveFile } from "../board/save-file.ts";
import { dayAndTime } from "../calls/days.ts";
import { counted, percent } from "../calls/format.ts";
import { Link } from "../shell/link.tsx";
import { linkTo } from "../shell/router.ts";
import { Shown } from "../shell/states.tsx";
import { type Column, type Dimension, FIRST_ORDER, orderAfter, rowsOf, type ShareRow, sharesCsv, sorted, type UsageShares } from "./shares.ts";
import { minutesWords, money } from "./usage.ts";

export interface PeriodProps {
  organizationId: string;
  /** A day of the period; null for the one that goes on. */
  date: string | null;
}

export interface SharesProps extends PeriodProps {
  /** The moment of the total that the page shows. */
  totalOf: string;
  reloadTotal: () => void;
}

export function SharesPanel({ organizationId, date, totalOf, reloadTotal }: SharesProps): ReactNode {
  const shares = useReading<UsageShares>(organizationPath(organizationId, "usage", "shares"), { date });
  const sharesOf = valueOf(shares.reading)?.as_of;
  // Asked for after the total, they may be of a later moment, and so is the total from then on. Once for each answer:
  // while nothing keeps copies every answer has a moment of its own.
  const meet = useEffectEvent(() => {
    if (sharesOf !== undefined && sharesOf !== totalOf) reloadTotal();
  });
  useEffect(() => meet(), [sharesOf]);
  return (
    <section className="panel usage-part" aria-labelledby="shares-title" id="shares">
      <h2 id="shares-title">By assistant and number</h2>
      <Shown of={shares} what="whose the usage is">
        {(told) =>
          told.by_assistant.length === 0 ? (
            <p className="note">No call was charged in this period yet. Each call counts for its assistant, and for your number that it came to or went out from.</p>
          ) : (
            <>
              <div className="shares">
                <Shares shares={told} dimension="assistant" />
                <Shares shares={told} dimension="number" />
              </div>
              <p className="note">
                As of {dayAndTime(told.as_of, told.time_zone)} ({told.time_zone}). Calls are those charged in the period; corrections of earlier calls add seconds and no call.
                {told.archived_calls > 0 && ` Of ${counted(told.archived_calls, "call")} the record was archived without its assistant and number: what they used is shown as nobody's.`}
              </p>
            </>
          )
        }
      </Shown>
    </section>
  );
}

const TITLES: Readonly<Record<Dimension, string>> = { assistant: "Assistant", number: "Number" };

function Shares({ shares, dimension }: { shares: UsageShares; dimension: Dimension }): ReactNode {
  const [order, setOrder] = useState(FIRST_ORDER);
  const rows = sorted(rowsOf(shares, dimension), order);
  const columns: readonly [Column, string][] = [
    ["name", TITLES[dimension]],
    ["calls", "Calls"],
    ["seconds", "Minutes"],
    ["cost_micros", "Charged"],
  ];
  const days = daysOf(shares);
  return (
    <div className="share-part" id={`by-${dimension}`}>
      <table className="timeline share-table">
        <caption className="hidden">Usage by {dimension}</caption>
        <thead>
          <tr>
            {columns.map(([column, title]) => (
              <th key={column} scope="col" className={column === "name" ? undefined : "number"} aria-sort={order.by === column ? (order.descending ? "descending" : "ascending") : "none"}>
                <button type="button" className="link" onClick={() => setOrder(orderAfter(order, column))}>
                  {title}
                  <span aria-hidden="true">{order.by === column ? (order.descending ? " ↓" : " ↑") : ""}</span>
                </button>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.key} data-kind={row.kind} data-key={row.filter ?? row.kind}>
              <td>
                <ShareName row={row} dimension={dimension} days={days} />
                <Bar share={row.share} />
              </td>
              <td className="number">{row.calls}</td>
              <td className="number">{minutesWords(row.minutes)}</td>
              <td className="number">{money(row.cost_micros, shares.currency)}</td>
            </tr>
          ))}
        </tbody>
        <tfoot>
          <tr>
            <th scope="row">Together</th>
            <td className="number">{shares.calls}</td>
            <td className="number">{minutesWords(shares.used_minutes)}</td>
            <td className="number">{money(shares.cost_micros, shares.currency)}</td>
          </tr>
        </tfoot>
      </table>
      <p>
        <button type="button" onClick={() => saveFile(sharesCsv(rows, shares, dimension), `usage-by-${dimension}-${days.from}.csv`)}>
          CSV by {dimension}
        </button>
      </p>
    </div>
  );
}

function ShareName({ row, dimension, days }: { row: ShareRow; dimension: Dimension; days: { from: string; to: string } }): ReactNode {
  if (row.filter === null) return <span className={row.kind === "known" ? undefined : "note"}>{row.name}</span>;
  return <Link href={linkTo("/calls", { [dimension]: row.filter, ...days })}>{row.name}</Link>;
}

/** A share as a bar, with its figure: what was only given back has neither. */
function Bar({ share }: { share: number | null }): ReactNode {
  if (share === null) return null;
  return (
    <span className="share">
      <span className="share-bar" aria-hidden="true">
        <span style={{ width: `${Math.min(100, Math.max(0, share * 100))}%` }} />
      </span>
      <span className="note">{share > 0 && share < 0.005 ? "< 1 %" : percent(share)}</span>
    </span>
  );
}

/** The period's first and last day. */
function daysOf({ period_start, period_end, time_zone }: UsageShares): { from: string; to: string } {
  const day = (ms: number): string => new Date(ms).toLocaleDateString("sv", { timeZone: time_zone });
  return { from: day(Date.parse(period_start)), to: day(Date.parse(period_end) - 1) };
}
