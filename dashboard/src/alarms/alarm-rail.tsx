/** Open incidents, worst first, and those that ended within the last minute. A filter hides none of them. */

import { type ReactNode, useState } from "react";
import { faultOf } from "../api/client.ts";
import { alarmText, endOf, isMuted, SEVERITIES } from "../calls/alarms.ts";
import { callerOf } from "../calls/facts.ts";
import { clock, since } from "../calls/format.ts";
import type { BoardCall, LiveIncident } from "../live/protocol.ts";
import { actOnIncident, type IncidentAction } from "./incidents.ts";

export interface AlarmRailProps {
  organizationId: string;
  incidents: readonly LiveIncident[];
  over: readonly LiveIncident[];
  calls: ReadonlyMap<string, BoardCall>;
  now: number;
  /** Nothing is known yet: that nothing is wrong would be a guess. */
  isFirst: boolean;
  mayAct: boolean;
  openCall: (callId: string) => void;
}

export function AlarmRail({ isFirst, organizationId, incidents, over, calls, now, mayAct, openCall }: AlarmRailProps): ReactNode {
  const [fault, setFault] = useState<string | null>(null);
  const critical = incidents.filter((each) => each.severity === "critical").length;
  const act = async (incidentId: string, action: IncidentAction): Promise<void> => {
    setFault(null);
    try {
      await actOnIncident(organizationId, incidentId, action);
    } catch (error) {
      setFault(`Not done: ${faultOf(error)} Try again.`);
    }
  };
  return (
    <section className="rail-part" aria-labelledby="alarms-title">
      <h2 id="alarms-title">
        Alarms <span className="count">{incidents.length || ""}</span>
      </h2>
      <p className="hidden" role="alert">
        {critical ? `${critical} critical ${critical === 1 ? "alarm" : "alarms"}` : ""}
      </p>
      {fault && (
        <p className="fault" role="alert">
          {fault}
        </p>
      )}
      {incidents.length + over.length === 0 ? (
        <p className="note">{isFirst ? "Loading…" : "Nothing needs a look."}</p>
      ) : (
        <ul id="alarms" className="alarms">
          {[...incidents, ...over].map((incident) => (
            <Alarm
              key={incident.incident_id}
              incident={incident}
              call={calls.get(incident.evidence.call_id ?? incident.call_id ?? "")}
              now={now}
              mayAct={mayAct}
              act={act}
              openCall={openCall}
            />
          ))}
        </ul>
      )}
    </section>
  );
}

interface AlarmProps {
  incident: LiveIncident;
  call: BoardCall | undefined;
  now: number;
  mayAct: boolean;
  act: (incidentId: string, action: IncidentAction) => Promise<void>;
  openCall: (callId: string) => void;
}

function Alarm({ incident, call, now, mayAct, act, openCall }: AlarmProps): ReactNode {
  const [isAsking, setIsAsking] = useState(false);
  const { shape, word } = SEVERITIES[incident.severity];
  const ended = endOf(incident);
  const muted = isMuted(incident, now);
  const ask = (action: IncidentAction): void => {
    setIsAsking(true);
    void act(incident.incident_id, action).finally(() => setIsAsking(false));
  };
  const age = ended
    ? `${incident.recovered_at ? "recovered" : "resolved"} after ${clock((incident.lasted_seconds ?? 0) * 1000)}`
    : `for ${since(incident.opened_at, now)}`;
  const told = [incident.acknowledged_at && "acknowledged", muted && !ended && "muted"].filter(Boolean).join(", ");
  return (
    <li data-severity={incident.severity} data-over={ended !== null} data-incident={incident.incident_id}>
      <p className="alarm-head">
        <span className="severity">
          {shape} {word}
        </span>
        <span className="note">{age}</span>
      </p>
      <p>{alarmText(incident)}</p>
      {call && (
        <button type="button" className="link" onClick={() => openCall(call.call_id)}>
          {callerOf(call)}
        </button>
      )}
      <p className="alarm-actions">
        {told && <span className="note">{told}</span>}
        {mayAct && !ended && !incident.acknowledged_at && (
          <button type="button" disabled={isAsking} onClick={() => ask("acknowledge")}>
            Acknowledge
          </button>
        )}
        {mayAct && !ended && !muted && (
          <button type="button" disabled={isAsking} onClick={() => ask("mute")}>
            Mute 15 min
          </button>
        )}
      </p>
    </li>
  );
}
