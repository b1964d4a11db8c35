/** The cap of a calendar month, what happens once it is reached, and minutes granted beyond it. */

import { type ReactNode, useState } from "react";
import { api, organizationPath } from "../api/client.ts";
import { Once } from "../api/once.ts";
import { useResource } from "../api/resource.ts";
import { Loaded } from "../shell/states.tsx";
import { type MinutesPolicy, POLICIES } from "./usage.ts";

interface CapSettings {
  minutes_cap: number | null;
  minutes_policy: MinutesPolicy;
}

export interface CapPanelProps {
  organizationId: string;
  isExpired: boolean;
  mayWrite: boolean;
}

export function CapPanel({ organizationId, isExpired, mayWrite }: CapPanelProps): ReactNode {
  const settings = useResource<CapSettings>(organizationPath(organizationId, "settings"), {}, isExpired);
  return (
    <section className="panel usage-part" aria-labelledby="cap-title">
      <h2 id="cap-title">Cap and policy</h2>
      <Loaded resource={settings} what="The cap">
        {(told) => (
          <>
            <p id="cap">
              {told.minutes_cap === null ? "No cap is set." : `${told.minutes_cap} begun minutes in a calendar month.`} Policy: {POLICIES[told.minutes_policy]}. Calls that go on are never cut off.
            </p>
            {mayWrite ? (
              <div className="cap-forms">
                <CapForm key={`${told.minutes_cap}-${told.minutes_policy}`} organizationId={organizationId} told={told} done={settings.reload} />
                {told.minutes_cap !== null && <GrantForm organizationId={organizationId} />}
              </div>
            ) : (
              <p className="note">
                To change it, or grant minutes beyond it, takes the right <code>organization:write</code>: an owner's or admin's.
              </p>
            )}
          </>
        )}
      </Loaded>
    </section>
  );
}

/** Runs a change once at a time and holds what became of it. */
function useChange(): { fault: string | null; done: string | null; isBusy: boolean; run: (change: () => Promise<string>) => void } {
  const [state, setState] = useState<{ fault: string | null; done: string | null; isBusy: boolean }>({ fault: null, done: null, isBusy: false });
  const run = (change: () => Promise<string>): void => {
    setState({ fault: null, done: null, isBusy: true });
    change().then(
      (done) => setState({ fault: null, done, isBusy: false }),
      (error: unknown) => setState({ fault: error instanceof Error ? error.message : String(error), done: null, isBusy: false }),
    );
  };
  return { ...state, run };
}

function Outcome({ fault, done }: { fault: string | null; done: string | null }): ReactNode {
  if (fault) {
    return (
      <p className="fault" role="alert">
        {fault}
      </p>
    );
  }
  return (
    <p className={done ? "done" : "hidden"} role="status">
      {done}
    </p>
  );
}

function CapForm({ organizationId, told, done }: { organizationId: string; told: CapSettings; done: () => void }): ReactNode {
  const [cap, setCap] = useState(told.minutes_cap === null ? "" : String(told.minutes_cap));
  const [policy, setPolicy] = useState(told.minutes_policy);
  const change = useChange();
  const save = async (): Promise<string> => {
    const body = { minutes_cap: cap === "" ? null : Number(cap), minutes_policy: policy };
    await api(organizationPath(organizationId, "settings"), { method: "PATCH", body });
    done();
    return "Saved; the next call is decided by it.";
  };
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (!change.isBusy) change.run(save);
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
      <Outcome {...change} />
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
  const [once] = useState(() => new Once());
  const change = useChange();
  const grant = async (): Promise<string> => {
    const path = organizationPath(organizationId, "usage", "extra-minutes");
    const body = { minutes: Number(minutes), reason: reason.trim() };
    const granted = await once.run(body, (key) => api<GrantedMinutes>(path, { method: "POST", body, idempotencyKey: key }));
    setReason("");
    return `Granted. Beyond the cap of the month from ${granted.month}: ${granted.extra_minutes} minutes.`;
  };
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (!change.isBusy) change.run(grant);
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
      <Outcome {...change} />
    </form>
  );
}
