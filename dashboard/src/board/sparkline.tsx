/** A line of the last 60 minutes. It says what it shows to whoever cannot see it. */

import type { ReactNode } from "react";

const [WIDTH, HEIGHT] = [120, 26];

export function Sparkline({ values, name }: { values: readonly (number | null)[]; name: string }): ReactNode {
  const known = values.filter((value) => value !== null);
  const most = Math.max(1, ...known);
  const told = known.length ? `now ${known.at(-1)}, highest ${Math.max(...known)}` : "nothing measured";
  return (
    <svg className="spark" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={`${name}, last 60 minutes: ${told}`}>
      <polyline points={pointsOf(values, most)} vectorEffect="non-scaling-stroke" />
    </svg>
  );
}

/** Minutes without a value are passed over: the line joins those beside them. */
export function pointsOf(values: readonly (number | null)[], most: number): string {
  const step = WIDTH / Math.max(1, values.length - 1);
  return values.flatMap((value, at) => (value === null ? [] : [`${(at * step).toFixed(1)},${(HEIGHT - 2 - (value / most) * (HEIGHT - 4)).toFixed(1)}`])).join(" ");
}
