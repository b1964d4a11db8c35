/** What a wallboard knows: a pure fold of the frames of its own encoding, in which there is nothing of any caller. */

import { isNewer } from "../live/board.ts";
import type { LiveFrame, OrganizationView, WallboardAlarm, WallboardFigures } from "../live/protocol.ts";

export interface Wall {
  position: string | null;
  organization: OrganizationView | null;
  figures: WallboardFigures | null;
  /** Open ones; of what an alarm is about one is open at most. */
  alarms: ReadonlyMap<string, WallboardAlarm>;
}

export const EMPTY_WALL: Wall = { position: null, organization: null, figures: null, alarms: new Map() };

/** The wallboard after a frame. One that is not newer changes nothing. */
export function wallAfter(wall: Wall, frame: LiveFrame): Wall {
  if (frame.type === "wallboard") {
    const { organization, figures, alarms } = frame.state;
    return { position: frame.position, organization, figures, alarms: new Map(alarms.map((each) => [each.alarm_id, each])) };
  }
  if (frame.type !== "events" || wall.position === null || !isNewer(frame.position, wall.position)) return wall;
  const next = { ...wall, position: frame.position, alarms: new Map(wall.alarms) };
  for (const event of frame.events) {
    if (event.type === "wallboard-figures") next.figures = event.figures;
    else if (event.type === "organization" && next.organization) next.organization = { ...next.organization, name: event.name, time_zone: event.time_zone };
    else if (event.type === "wallboard-alarm") {
      const { alarm } = event;
      if (event.open) next.alarms.set(alarm.alarm_id, alarm);
      else if (next.alarms.get(alarm.alarm_id)?.incident === alarm.incident) next.alarms.delete(alarm.alarm_id);
    }
  }
  return next;
}

export interface AlarmCount {
  open: number;
  critical: number;
  unacknowledged: number;
}

export function alarmCount(alarms: Iterable<WallboardAlarm>): AlarmCount {
  const open = [...alarms];
  return {
    open: open.length,
    critical: open.filter((each) => each.severity === "critical").length,
    unacknowledged: open.filter((each) => !each.acknowledged).length,
  };
}
