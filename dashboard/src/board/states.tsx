/** What the board says of itself when it is not simply live. */

import { type ReactNode, useEffect, useState } from "react";
import { counted, ofMs, timeOfDay } from "../calls/format.ts";
import type { Link as LiveLink, Liveness } from "../live/link.ts";
import { useTimeZone } from "../live/time-zone.ts";
import { Link } from "../shell/link.tsx";
import { linkTo } from "../shell/router.ts";
import type { Path } from "./path.ts";
import { LOOKED_BACK_DAYS } from "./surroundings.ts";
import { takesPasswords } from "../shell/deployment.ts";
import { PASSWORD_PAGE, SignInAgain } from "../shell/sign-in-again.tsx";

const CAUGHT_UP_MS = 6_000;
const BEHIND_MS = 10_000;

export interface BannersProps {
  link: LiveLink;
  /** Null for whoever may not watch. */
  liveness: Liveness | null;
  /** The provider's: from when events occurred to when they reached us, p95 of today. */
  lagP95Ms: number | null;
  /** Ours: how long the oldest event that reached us has waited to be applied. */
  waitedMs?: number | null;
  isExpired: boolean;
  refused: "signed-out" | "not-permitted" | null;
  /** Since when the provider cannot be asked. */
  provider?: Path["provider"];
  /** All slots are taken. */
  full?: { limit: number; refusedToday: number; show: () => void } | null;
}

export function Banners({ lagP95Ms, waitedMs = null, provider = null, full = null, ...how }: BannersProps): ReactNode {
  const timeZone = useTimeZone();
  const isBehind = waitedMs !== null && waitedMs > BEHIND_MS;
  return (
    <div className="banners">
      <HowLive {...how} />
      {provider && (
        <p className="banner" data-kind="behind" role="status" id="provider-incident">
          VAPI cannot be asked since {timeOfDay(provider.failingSince, timeZone)}
          {provider.error && ` (${provider.error})`}. Calls may show as unconfirmed; none is taken for ended until VAPI says so.{" "}
          <a href="https://status.vapi.ai" target="_blank" rel="noreferrer">
            VAPI's status
          </a>
        </p>
      )}
      {full && (
        <p className="banner" data-kind="behind" role="status" id="over-limit">
          All {counted(full.limit, "slot")} are in use: new calls are refused. {counted(full.refusedToday, "call")} refused today.{" "}
          <button type="button" className="link" onClick={full.show}>
            Which calls hold them?
          </button>
        </p>
      )}
      {isBehind && (
        <p className="banner" data-kind="behind" role="status" id="we-are-behind">
          We are behind: an event that reached us has waited {ofMs(waitedMs)} to be shown. It is kept, and comes by itself.
        </p>
      )}
      {lagP95Ms !== null && lagP95Ms > BEHIND_MS && (
        <p className="banner" data-kind="behind" role="status" id="behind">
          Events delayed {ofMs(lagP95Ms)} (p95 of today) before they reached us: the provider is behind{isBehind ? ", too" : ", this page is not"}.
        </p>
      )}
    </div>
  );
}

function HowLive({ link, liveness, isExpired, refused }: Pick<BannersProps, "link" | "liveness" | "isExpired" | "refused">): ReactNode {
  const timeZone = useTimeZone();
  if (isExpired) {
    return (
      <div className="banner" data-kind="stale" role="alert" id="expired">
        <p>
          Your session has ended: what is shown stands still. Sign in again here, or{" "}
          {takesPasswords() ? (
            <a href={PASSWORD_PAGE} target="_blank" rel="noreferrer">
              with your password
            </a>
          ) : (
            "in another tab"
          )}
          ; the page goes on by itself, as it is.
        </p>
        <SignInAgain />
      </div>
    );
  }
  if (liveness === null) return null;
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
        Not live. Showing {timeOfDay(liveness.sinceAt, timeZone)}; it catches up by itself. Actions still go through.
      </p>
    );
  }
  return <CaughtUp key={link.caughtUp?.at} link={link} />;
}

function CaughtUp({ link }: { link: LiveLink }): ReactNode {
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

export interface EmptyTableProps {
  hidden: number;
  /** Takes away the filter that hides them. */
  clear: () => void;
  path: Path;
  /** When the feed was last heard, on this machine's clock, and that clock's now. */
  heardAt: number | null;
  localNow: number;
  mayCall: boolean;
  /** Whether whoever looks may see the set-up. */
  maySetUp: boolean;
}

/** No call is there to be shown: because a filter hides them, because there is none, or because none ever came. */
export function EmptyTable({ hidden, clear, path, heardAt, localNow, mayCall, maySetUp }: EmptyTableProps): ReactNode {
  const timeZone = useTimeZone();
  if (hidden > 0) {
    return (
      <div className="empty">
        <p>
          <strong>No call matches.</strong>
        </p>
        <p>
          {counted(hidden, "call")} {hidden === 1 ? "stands" : "stand"} behind the filter.
        </p>
        <p>
          <button type="button" onClick={clear}>
            Show all calls
          </button>
        </p>
      </div>
    );
  }
  if (path.proof === "unproven") {
    return (
      <div className="empty" id="empty" data-proof="unproven">
        <p>
          <strong>No event ever received</strong>, as far back as {LOOKED_BACK_DAYS} days.
        </p>
        <p>Calls show up here once VAPI sends us their events: its key, the server URL, the secret, and no assistant that points elsewhere.</p>
        {maySetUp && (
          <p>
            <Link className="button" href={linkTo("/setup")}>
              Go through the set-up
            </Link>
          </p>
        )}
      </div>
    );
  }
  const heartbeat = heardAt === null ? "" : `heartbeat OK ${Math.max(0, Math.floor((localNow - heardAt) / 1000))} s ago`;
  const last = path.lastReceivedAt === null ? (path.proof === null ? "" : "No event within 24 hours, ") : `Last event ${timeOfDay(path.lastReceivedAt, timeZone)}, `;
  return (
    <div className="empty" id="empty" data-proof={path.proof ?? "unknown"}>
      <p>
        <strong>No live calls.</strong>
      </p>
      <p>
        {last}
        {heartbeat}
      </p>
      {mayCall && (
        <p>
          <Link className="button" href={linkTo("/setup")}>
            Place a test call
          </Link>
        </p>
      )}
    </div>
  );
}
