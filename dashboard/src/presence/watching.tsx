/** How many watch, and on demand who and since when. */

import type { ReactNode } from "react";
import { counted, timeOfDay } from "../calls/format.ts";
import type { PresenceFrame } from "../live/protocol.ts";
import { useTimeZone } from "../live/time-zone.ts";
import { nameOf, watchingCount } from "./words.ts";

export function Watching({ presence, me }: { presence: PresenceFrame; me: string | null }): ReactNode {
  const timeZone = useTimeZone();
  const count = watchingCount(presence);
  return (
    <details className="drop watching" id="watching" name="drop">
      <summary>
        {count} watching
      </summary>
      <ul className="drop-body">
        {presence.watching.map((each) => (
          <li key={each.subject}>
            <strong>{nameOf(each, me)}</strong>{" "}
            <span className="note">
              since {timeOfDay(Date.parse(each.since), timeZone)}
              {each.sockets > 1 && `, ${counted(each.sockets, "page")}`}
            </span>
          </li>
        ))}
        {presence.more > 0 && <li className="note">and {presence.more} more</li>}
      </ul>
    </details>
  );
}
