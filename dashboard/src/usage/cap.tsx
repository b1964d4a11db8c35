/** The cap of a calendar month, what happens once it is reached, and minutes granted beyond it. */

import { type ReactNode, useState } from "react";
import { api, organizationPath } from "../api/client.ts";
import { type Change, useChange } from "../api/change.ts";
import { useReading } from "../api/reading.ts";
import { Fault, Shown } from "../shell/states.tsx";
import { type MinutesPolicy, POLICIES } from "./usage.ts";

interface CapSettings {
  minutes_cap: number | null;
  minutes_policy: MinutesPolicy;
}

export interface CapPanelProps {
  organizationId: string;
  mayWrite: boolean;
}

export function CapPanel({ organizationId, mayWrite }: CapPanelProps): ReactNode {
  const settings = useReading<CapSettings>(organizationPath(organizationId, "settings"));
  return (
    <section className="panel usage-part" aria-labelledby="cap-title">
      <h2 id="cap-title">Cap and policy</h2>
      <Shown of={settings} what="the cap">
        {(told) => (
          <>
            <p id="cap">
              {told.minutes_cap === null ? "No cap is set." : `${told.minutes_cap} begun minutes in a calendar month.`} Policy: {POLICIES[told.minutes_policy]}. Calls that go on are never cut off.
            </p>
            {mayWrite ? (
              <div className="cap-forms">
                <CapForm organizationId={organizationId} told={told} changed={settings.reload} />
                {told.minutes_cap !== null && <GrantForm organizationId={organizationId} />}
              </div>
            ) : (
              <p className="note">
                To change it, or grant minutes beyond it, takes the right <code>organization:write</code>: an owner's or admin's.
              </p>
            )}
          </>
        )}
      </Shown>
    </section>
  );
}

/** What came of the last change: why it was not made, or what was. */
function Outcome({ change, done }: { change: Change; done: string | null }): ReactNode {
  const told = change.fault === null && !change.isBusy ? done : null;
  return (
    <>
      <Fault of={change} />
      <p className={told === null ? "hidden" : "done"} role="status">
        {told}
      </p>
    </>
  );
}

function CapForm({ organizationId, told, changed }: { organizationId: string; told: CapSettings; changed: () => void }): ReactNode {
  const [cap, setCap] = useState(told.minutes_cap === null ? "" : String(told.minutes_cap));
  const [policy, setPolicy] = useState(told.minutes_policy);
  const change = useChange();
  const [done, setDone] = useState<string | null>(null);
  const save = async (): Promise<void> => {
    const body = { minutes_cap: cap === "" ? null : Number(cap), minutes_policy: policy };
    if (!(await change.run(body, () => api(organizationPath(organizationId, "settings"), { method: "PATCH", body })))) return;
    setDone("Saved; the next call is decided by it.");
    changed();
  };
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (!change.isBusy) void save();
      }}
    >
      <label>
        <span>Minutes a month; empty: no cap</span>
        <input id="minutes-cap" type="number" min={1} max={1_000_000} step={1} value={cap} onChange={(event) => setCap(event.target.value)} />
      </label>
      <label>
        <span>Once it is reached</span>
        <select value={policy} onChange={(event) => setPolicy(event.target.value as MinutesPolicy)}>
          {Object.entries(POLICIES).map(([name, text]) => (
            <option key={name} value={name}>
              {text}
            </option>
          ))}
        </select>
      </label>
      <button type="submit" disabled={change.isBusy}>
        Save
      </button>
      <Outcome change={change} done={done} />
    </form>
  );
}

interface GrantedMinutes {
  month: string;
  extra_minutes: number;
}

function GrantForm({ organizationId }: { organizationId: string }): ReactNode {
  const [minutes, setMinutes] = useState("60");
  const [reason, setReason] = useState("");
  const change = useChange();
  const [done, setDone] = useState<string | null>(null);
  const grant = async (): Promise<void> => {
    const path = organizationPath(organizationId, "usage", "extra-minutes");
    const body = { minutes: Number(minutes), reason: reason.trim() };
    await change.run(body, async (key) => {
      const granted = await api<GrantedMinutes>(path, { method: "POST", body, idempotencyKey: key });
      setReason("");
      setDone(`Granted. Beyond the cap of the month from ${granted.month}: ${granted.extra_minutes} minutes.`);
    });
  };
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (!change.isBusy) void grant();
      }}
    >
      <label>
        <span>Minutes to grant beyond the cap</span>
        <input id="grant-minutes" type="number" min={1} max={1_000_000} step={1} required value={minutes} onChange={(event) => setMinutes(event.target.value)} />
      </label>
      <label>
        <span>Reason, for the audit log</span>
        <input id="grant-reason" required maxLength={500} value={reason} onChange={(event) => setReason(event.target.value)} />
      </label>
      <button type="submit" disabled={change.isBusy || !reason.trim()}>
        Grant +{minutes || "0"} minutes
      </button>
      <Outcome change={change} done={done} />
    </form>
  );
}
