/** What is asked of endpoints: to be made or changed, to get another secret, to be sent things again, to go. */

import { type ReactNode, useState } from "react";
import { useChange } from "../api/change.ts";
import { FormDialog } from "../admin/dialog.tsx";
import { fromLocalInput, localInput } from "../admin/times.ts";
import { useTimeZone } from "../live/time-zone.ts";
import { type DeliveryStatus, EVENTS, type Integration, removeEndpoint, replayRange, rotateSecret, saveEndpoint } from "./api.ts";

interface Asked {
  organizationId: string;
  close: () => void;
  /** It is done; with the secret that it made, if it made one. */
  done: (secret: string | null) => void;
}

export function EndpointForm({ organizationId, endpoint, close, done }: Asked & { endpoint: Integration | null }): ReactNode {
  const change = useChange();
  const [name, setName] = useState(endpoint?.name ?? "");
  const [url, setUrl] = useState(endpoint?.url ?? "");
  const [events, setEvents] = useState<readonly string[]>(endpoint?.events ?? ["call.completed"]);
  const submit = async (): Promise<void> => {
    let secret: string | null = null;
    const fields = { name: name.trim(), url: url.trim(), events: [...events] };
    const isDone = await change.run(fields, async (key) => {
      secret = await saveEndpoint(organizationId, endpoint?.id ?? null, fields, key);
    });
    if (isDone) done(secret);
  };
  return (
    <FormDialog title={endpoint ? `Change ${endpoint.name}` : "Add an endpoint"} submit={endpoint ? "Save" : "Add the endpoint"} change={change} close={close} onSubmit={() => void submit()}>
      <label>
        Name
        <input value={name} required maxLength={200} autoComplete="off" onChange={(event) => setName(event.target.value)} />
      </label>
      <label>
        URL that events are posted to
        <input type="url" value={url} required maxLength={2000} placeholder="https://" autoComplete="off" spellCheck={false} onChange={(event) => setUrl(event.target.value)} />
      </label>
      <fieldset>
        <legend>Events</legend>
        {EVENTS.map((each) => (
          <label key={each} className="check">
            <input type="checkbox" checked={events.includes(each)} onChange={() => setEvents(events.includes(each) ? events.filter((held) => held !== each) : [...events, each])} />
            {each}
          </label>
        ))}
      </fieldset>
    </FormDialog>
  );
}

export function RotateForm({ organizationId, endpoint, close, done }: Asked & { endpoint: Integration }): ReactNode {
  const change = useChange();
  const [hours, setHours] = useState(24);
  const submit = async (): Promise<void> => {
    let secret: string | null = null;
    if (await change.run(hours, async (key) => (secret = await rotateSecret(organizationId, endpoint.id, hours, key)))) done(secret);
  };
  return (
    <FormDialog title={`New secret for ${endpoint.name}`} submit="Make a new secret" change={change} close={close} onSubmit={() => void submit()}>
      <p>Deliveries are signed with both secrets for a while, so that the endpoint can change over without missing one.</p>
      <label>
        Hours the former secret goes on signing
        <input type="number" min={0.1} max={168} step="any" required value={Number.isNaN(hours) ? "" : hours} onChange={(event) => setHours(event.target.valueAsNumber)} />
      </label>
    </FormDialog>
  );
}

export function RemoveForm({ organizationId, endpoint, close, done }: Asked & { endpoint: Integration }): ReactNode {
  const change = useChange();
  const submit = async (): Promise<void> => {
    if (await change.run("remove", (key) => removeEndpoint(organizationId, endpoint.id, key))) done(null);
  };
  return (
    <FormDialog title={`Remove ${endpoint.name}?`} submit="Remove the endpoint" isDanger change={change} close={close} onSubmit={() => void submit()}>
      <p>Nothing is sent to {endpoint.url} any more. What was delivered stays readable.</p>
    </FormDialog>
  );
}

const HOUR_MS = 3_600_000;

export function ReplayForm({ organizationId, endpoint, close, done }: Asked & { endpoint: Integration }): ReactNode {
  const change = useChange();
  const timeZone = useTimeZone();
  const [now] = useState(Date.now);
  const [from, setFrom] = useState(localInput(endpoint.missed_since ? Date.parse(endpoint.missed_since) : now - HOUR_MS, timeZone));
  const [to, setTo] = useState(localInput(now + 60_000, timeZone));
  const [status, setStatus] = useState<DeliveryStatus | "">("");
  const submit = async (): Promise<void> => {
    const [since, until] = [fromLocalInput(from, timeZone), fromLocalInput(to, timeZone)];
    if (since === null || until === null) return;
    const range = { from: since, to: until, status: status || null };
    if (await change.run(range, (key) => replayRange(organizationId, endpoint.id, range, key))) done(null);
  };
  return (
    <FormDialog title={`Send again to ${endpoint.name}`} submit="Send again" change={change} close={close} onSubmit={() => void submit()}>
      <p>
        Every delivery made in this range is sent once more, with its own id, so that the endpoint can tell it is the same event.
        {endpoint.missed_since && " The range begins where it began to miss deliveries."} Times are those of {timeZone}.
      </p>
      <div className="pair">
        <label>
          From
          <input type="datetime-local" required value={from} onChange={(event) => setFrom(event.target.value)} />
        </label>
        <label>
          To
          <input type="datetime-local" required value={to} onChange={(event) => setTo(event.target.value)} />
        </label>
      </div>
      <label>
        Only those that are
        <select value={status} onChange={(event) => setStatus(event.target.value as DeliveryStatus | "")}>
          <option value="">in any state</option>
          <option value="exhausted">given up</option>
          <option value="cancelled">not sent</option>
          <option value="delivered">delivered</option>
        </select>
      </label>
    </FormDialog>
  );
}
