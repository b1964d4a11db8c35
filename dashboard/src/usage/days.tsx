/** Usage day by day: as bars, and as the table that they stand for. */

import type { ReactNode } from "react";
import { NOTHING } from "../calls/format.ts";
import { barsOf, minutesWords, money, type Usage } from "./usage.ts";

const WIDTH = 1000;
const HEIGHT = 160;

export function DaysPanel({ usage }: { usage: Usage }): ReactNode {
  const { bars, step, most } = barsOf(usage.days, WIDTH, HEIGHT);
  const [first, last] = [usage.days[0], usage.days.at(-1)];
  return (
    <section className="panel usage-part" aria-labelledby="days-title">
      <h2 id="days-title">By day</h2>
      {most === 0 ? (
        <p className="note">No call was charged in this period yet. Usage counts where a call ended.</p>
      ) : (
        <figure className="bars">
          <figcaption className="note">at most {minutesWords(most)} a day</figcaption>
          <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={`Minutes of each day, at most ${minutesWords(most)}; the table below tells each`}>
            {bars.map((bar) => (
              <rect key={bar.date} x={bar.x + step * 0.12} y={bar.y} width={step * 0.76} height={bar.height}>
                <title>{`${bar.date}: ${minutesWords(bar.minutes)}`}</title>
              </rect>
            ))}
          </svg>
          <p className="note ends">
            <span>{first?.date}</span>
            <span>{last?.date}</span>
          </p>
        </figure>
      )}
      <details>
        <summary>Each day</summary>
        <table className="timeline">
          <thead>
            <tr>
              <th scope="col">Day</th>
              <th scope="col" className="number">
                Calls
              </th>
              <th scope="col" className="number">
                Minutes
              </th>
              <th scope="col" className="number">
                Charged
              </th>
            </tr>
          </thead>
          <tbody>
            {usage.days.toReversed().map((day) => (
              <tr key={day.date}>
                <td>{day.date}</td>
                <td className="number">{day.calls ?? NOTHING}</td>
                <td className="number">{minutesWords(day.seconds / 60)}</td>
                <td className="number">{money(day.cost_micros, usage.currency)}</td>
              </tr>
            ))}
          </tbody>
        </table>
        <p className="note">Calls are counted once the day is added up, after 02:00 of the next; until then “{NOTHING}”.</p>
      </details>
    </section>
  );
}
