/** Making an API key and making its successor. */

import { type ReactNode, useState } from "react";
import { useChange } from "../api/change.ts";
import { FormDialog } from "../admin/dialog.tsx";
import { ROLES, SCOPES } from "../api/scopes.ts";
import { fromLocalInput } from "../admin/times.ts";
import { useTimeZone } from "../live/time-zone.ts";
import { type ApiKey, makeKey, rotateKey } from "./api.ts";

interface Asked {
  organizationId: string;
  close: () => void;
  done: (name: string, secret: string) => void;
}

export function MakeKeyForm({ organizationId, scopes, close, done }: Asked & { scopes: ReadonlySet<string> }): ReactNode {
  const change = useChange();
  const timeZone = useTimeZone();
  const [name, setName] = useState("");
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const [expires, setExpires] = useState("");
  const submit = async (): Promise<void> => {
    let secret = "";
    const fields = { name: name.trim(), scopes: [...chosen], expires_at: expires ? fromLocalInput(expires, timeZone) : null };
    if (await change.run(fields, async (key) => (secret = await makeKey(organizationId, fields, key)))) done(fields.name, secret);
  };
  const toggle = (scope: string): void => {
    const next = new Set(chosen);
    if (!next.delete(scope)) next.add(scope);
    setChosen(next);
  };
  return (
    <FormDialog title="Make an API key" submit="Make the key" change={change} close={close} onSubmit={() => void submit()}>
      <div className="pair">
        <label>
          Name
          <input value={name} required maxLength={100} autoComplete="off" onChange={(event) => setName(event.target.value)} />
        </label>
        <label>
          Expires (never unless told; {timeZone})
          <input type="datetime-local" value={expires} onChange={(event) => setExpires(event.target.value)} />
        </label>
      </div>
      <p className="note">It gets only what you have yourself. Choose as little as its program needs.</p>
      <div className="scopes">
        {ROLES.toReversed().map((role) => {
          const offered = Object.entries(SCOPES).filter(([scope, [least]]) => least === role && scopes.has(scope));
          return (
            offered.length > 0 && (
              <fieldset key={role}>
                <legend>What a {role} may</legend>
                {offered.map(([scope, [, what]]) => (
                  <label key={scope} className="check">
                    <input type="checkbox" checked={chosen.has(scope)} onChange={() => toggle(scope)} />
                    <span>
                      {scope} <span className="note">{what}</span>
                    </span>
                  </label>
                ))}
              </fieldset>
            )
          );
        })}
      </div>
    </FormDialog>
  );
}

const HOUR_S = 3600;

export function RotateKeyForm({ organizationId, of, close, done }: Asked & { of: ApiKey }): ReactNode {
  const change = useChange();
  const [hours, setHours] = useState(24);
  const submit = async (): Promise<void> => {
    let secret = "";
    if (await change.run(hours, async (key) => (secret = await rotateKey(organizationId, of.key_id, Math.round(hours * HOUR_S), key)))) done(of.name, secret);
  };
  return (
    <FormDialog title={`New key in place of ${of.name}`} submit="Make the new key" change={change} close={close} onSubmit={() => void submit()}>
      <p>Both work for a while, so that nothing is refused while it changes over.</p>
      <label>
        Hours the former key stays good
        <input type="number" min={0} max={168} step="any" required value={Number.isNaN(hours) ? "" : hours} onChange={(event) => setHours(event.target.valueAsNumber)} />
      </label>
    </FormDialog>
  );
}
