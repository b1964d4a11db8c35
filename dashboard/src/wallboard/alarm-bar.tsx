/** How many alarms are open, and how bad; never of what. */

import type { ReactNode } from "react";
import { counted } from "../calls/format.ts";
import type { WallboardAlarm } from "../live/protocol.ts";
import { alarmCount } from "./wall.ts";

export function AlarmBar({ alarms }: { alarms: Iterable<WallboardAlarm> }): ReactNode {
  const { open, critical, unacknowledged } = alarmCount(alarms);
  const severity = critical ? "critical" : open ? "open" : "none";
  return (
    <p className="wall-alarms" data-alarms={severity}>
      <span>
        <span aria-hidden="true">{critical ? "▲" : open ? "◆" : "✓"} </span>
        {open ? counted(open, "alarm") : "No alarm"}
        {critical > 0 && `, ${critical} critical`}
      </span>
      {unacknowledged > 0 && <span className="wall-since">{unacknowledged} not acknowledged</span>}
    </p>
  );
}
