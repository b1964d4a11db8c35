/** Incidents: those open and those that ended, who took care of each, and how long it lasted. */

import type { ReactNode } from "react";
import { organizationPath } from "../api/client.ts";
import { useChange } from "../api/change.ts";
import { usePages } from "../api/pages.ts";
import { At, CallLink, Cell, Moment, More, Part, Records, State } from "../admin/parts.tsx";
import { roughly } from "../admin/times.ts";
import { Empty, Fault, Shown } from "../shell/states.tsx";
import { alarmText, endOf, isMuted, SEVERITIES } from "../calls/alarms.ts";
import { clock } from "../calls/format.ts";
import type { LiveIncident } from "../live/protocol.ts";
import { replaceParams } from "../shell/router.ts";
import { actOnIncident, type IncidentAction } from "./incidents.ts";

const EVERY_MS = 4_000;
const FILTERS: readonly [string, string][] = [
  ["", "all"],
  ["true", "open"],
  ["false", "ended"],
];

export interface IncidentsProps {
  organizationId: string;
  only: string;
  mayAct: boolean;
  now: number;
}

export function IncidentsPart({ organizationId, only, mayAct, now }: IncidentsProps): ReactNode {
  const incidents = usePages<{ incidents: LiveIncident[]; next_cursor: string | null }, LiveIncident>(
    organizationPath(organizationId, "incidents"),
    { limit: 12, open: only || null },
    { items: (page) => page.incidents, id: (each) => each.incident_id },
    EVERY_MS,
  );
  const change = useChange();
  const act = async (incidentId: string, action: IncidentAction): Promise<void> => {
    await change.run(action, () => actOnIncident(organizationId, incidentId, action), incidentId);
    incidents.reload();
  };
  return (
    <Part
      id="incidents"
      title="Incidents"
      actions={
        <div className="buttons" role="group" aria-label="Which incidents">
          {FILTERS.map(([value, word]) => (
            <button key={word} type="button" aria-pressed={only === value} onClick={() => replaceParams((params) => (value ? params.set("open", value) : params.delete("open")))}>
              {word}
            </button>
          ))}
        </div>
      }
    >
      <Fault of={change} />
      <Shown of={incidents} what="the incidents">
        {(list) =>
          list.length === 0 ? (
            <Empty title={only === "true" ? "No incident is open." : "No incident yet."}>An incident opens when a rule below is breached.</Empty>
          ) : (
            <Records caption="Incidents" columns={["Severity", "What", "Opened", "Lasted", "Taken care of", ""]}>
              {list.map((each) => (
                <Incident key={each.incident_id} incident={each} now={now}>
                  {mayAct && endOf(each) === null && (
                    <div className="buttons">
                      {each.acknowledged_at === null && (
                        <button type="button" disabled={change.isBusy} onClick={() => void act(each.incident_id, "acknowledge")}>
                          Acknowledge
                        </button>
                      )}
                      {!isMuted(each, now) && (
                        <button type="button" disabled={change.isBusy} onClick={() => void act(each.incident_id, "mute")}>
                          Mute 15 min
                        </button>
                      )}
                      <button type="button" disabled={change.isBusy} onClick={() => void act(each.incident_id, "resolve")}>
                        Resolve
                      </button>
                    </div>
                  )}
                </Incident>
              ))}
            </Records>
          )
        }
      </Shown>
      <More of={incidents} />
    </Part>
  );
}

function Incident({ incident, now, children }: { incident: LiveIncident; now: number; children: ReactNode }): ReactNode {
  const { shape, word } = SEVERITIES[incident.severity];
  const ended = endOf(incident);
  const callId = incident.call_id ?? incident.evidence.call_id;
  return (
    <tr data-incident={incident.incident_id} data-severity={incident.severity}>
      <Cell of="Severity">
        <span className="severity">
          {shape} {word}
        </span>
      </Cell>
      <Cell of="What">
        <span>
          {alarmText(incident)}
          <br />
          <span className="note">
            {incident.rule}
            {callId && (
              <>
                {" · "}
                <CallLink id={callId} />
              </>
            )}
          </span>
        </span>
      </Cell>
      <Cell of="Opened">
        <At at={incident.opened_at} />
      </Cell>
      <Cell of="Lasted">
        {ended === null ? (
          <State tone="bad">open for {roughly(now - Date.parse(incident.opened_at))}</State>
        ) : (
          <span>
            {clock((incident.lasted_seconds ?? 0) * 1000)}
            <br />
            <span className="note">{incident.recovered_at ? "recovered by itself" : `resolved by ${incident.resolved_by ?? "somebody"}`}</span>
          </span>
        )}
      </Cell>
      <Cell of="Taken care of">
        <span>
          {incident.acknowledged_at === null ? (
            <span className="note">nobody acknowledged it</span>
          ) : (
            <>
              {incident.acknowledged_by}, after {roughly(Date.parse(incident.acknowledged_at) - Date.parse(incident.opened_at))}
            </>
          )}
          {isMuted(incident, now) && (
            <p className="note">
              muted, ends <Moment at={incident.muted_until} now={now} />
            </p>
          )}
        </span>
      </Cell>
      <Cell of="">{children}</Cell>
    </tr>
  );
}
