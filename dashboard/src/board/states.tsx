/** What the board says of itself when it is not simply live. */

import { type ReactNode, useEffect, useState } from "react";
import { counted, ofMs, timeOfDay } from "../calls/format.ts";
import type { Link, Liveness } from "../live/link.ts";
import type { Board } from "../live/board.ts";

const CAUGHT_UP_MS = 6_000;
const BEHIND_MS = 10_000;

export interface BannersProps {
  link: Link;
  liveness: Liveness;
  lagP95Ms: number | null;
  isExpired: boolean;
  refused: "signed-out" | "not-permitted" | null;
}

export function Banners({ link, liveness, lagP95Ms, isExpired, refused }: BannersProps): ReactNode {
  if (isExpired) {
    return (
      <p className="banner" data-kind="stale" role="alert" id="expired">
        Your session has ended. Sign in again with your link, in another tab if you like: this page goes on by itself, as it is.
      </p>
    );
  }
  if (refused === "not-permitted") {
    return (
      <p className="banner" data-kind="stale" role="alert">
        You may not watch this organization any more.
      </p>
    );
  }
  if (liveness.state === "stale") {
    return (
      <p className="banner" data-kind="stale" role="alert" id="banner">
        Not live. Showing {timeOfDay(liveness.sinceAt)}; it catches up by itself. Actions still go through.
      </p>
    );
  }
  if (lagP95Ms !== null && lagP95Ms > BEHIND_MS) {
    return (
      <p className="banner" data-kind="behind" role="status">
        Events were delayed {ofMs(lagP95Ms)} (p95 of today) before they reached us: the provider is behind, this page is not.
      </p>
    );
  }
  return <CaughtUp key={link.caughtUp?.at} link={link} />;
}

function CaughtUp({ link }: { link: Link }): ReactNode {
  const [isShown, setIsShown] = useState(link.caughtUp !== null);
  useEffect(() => {
    const timer = setTimeout(() => setIsShown(false), CAUGHT_UP_MS);
    return () => clearTimeout(timer);
  }, []);
  if (!isShown || link.caughtUp === null) return null;
  const { kind, events } = link.caughtUp;
  return (
    <p className="banner" data-kind="good" role="status">
      {kind === "snapshot" ? "Refreshed." : events ? `Caught up: ${counted(events, "event")}.` : "Caught up: nothing was missed."}
    </p>
  );
}

/** No call is there to be shown: because there is none, or because none ever came. */
export function EmptyTable({ board, hidden, now }: { board: Board; hidden: number; now: number }): ReactNode {
  if (hidden > 0) return <p className="empty">No call matches. {counted(hidden, "call")} stand behind the filter.</p>;
  const signs = [...board.calls.values()].map((call) => Date.parse(call.evidence_at));
  const last = signs.length ? Math.max(...signs) : null;
  const webhooks = board.counters?.today.webhooks ?? 0;
  if (last === null && webhooks === 0) {
    return (
      <div className="empty" id="empty">
        <p>
          <strong>No live calls, and no event was received today.</strong>
        </p>
        <p>If calls are going on, check at the provider: the server URL, its secret, and that no assistant or number points elsewhere.</p>
      </div>
    );
  }
  return (
    <div className="empty" id="empty">
      <p>
        <strong>No live calls.</strong>
      </p>
      <p>
        {last === null ? `${counted(webhooks, "event")} came today.` : `Last event ${timeOfDay(last)}, ${counted(Math.max(0, Math.floor((now - last) / 60_000)), "minute")} ago.`} The next call shows up here by itself.
      </p>
    </div>
  );
}
