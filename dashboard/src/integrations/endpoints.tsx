/** The endpoints that are told of events, and how each fares. */

import { type ReactNode, useState } from "react";
import { type Change, useChange } from "../api/change.ts";
import { SecretDialog } from "../admin/dialog.tsx";
import { At, Cell, More, Part, Records, State } from "../admin/parts.tsx";
import type { Paged } from "../api/pages.ts";
import { Empty, Fault, Shown } from "../shell/states.tsx";
import { type EndpointHealth, type Integration, switchEndpoint } from "./api.ts";
import { EndpointForm, RemoveForm, ReplayForm, RotateForm } from "./endpoint-dialogs.tsx";
import { conditionOf } from "./health.ts";

type Open = { form: "add" } | { form: "change" | "rotate" | "remove" | "replay"; endpoint: Integration };

export interface EndpointsProps {
  organizationId: string;
  scopes: ReadonlySet<string>;
  endpoints: Paged<Integration>;
  health: ReadonlyMap<string, EndpointHealth>;
  now: number;
  changed: () => void;
}

export function Endpoints({ organizationId, scopes, endpoints, health, now, changed }: EndpointsProps): ReactNode {
  const [open, setOpen] = useState<Open | null>(null);
  const [secret, setSecret] = useState<{ of: string; text: string } | null>(null);
  const change = useChange();
  const mayWrite = scopes.has("integrations:write");
  const close = (): void => setOpen(null);
  const done = (of: string) => (text: string | null) => {
    close();
    if (text !== null) setSecret({ of, text });
    changed();
  };
  const form = { organizationId, close };
  return (
    <Part
      id="endpoints"
      title="Endpoints"
      actions={
        mayWrite && (
          <button type="button" className="primary" onClick={() => setOpen({ form: "add" })}>
            Add an endpoint
          </button>
        )
      }
    >
      <Fault of={change} />
      <Shown of={endpoints} what="the endpoints">
        {(list) =>
          list.length === 0 ? (
            <Empty title="No endpoint is told of anything yet.">Add one, and every call that ends is posted to it, signed and tried again for days.</Empty>
          ) : (
            <Records caption="Endpoints" columns={["Endpoint", "Health", "Told of", "Since", ""]}>
              {list.map((each) => (
                <Row key={each.id} endpoint={each} health={health.get(each.id)} now={now}>
                  <Actions {...{ organizationId, scopes, change, changed, setOpen }} endpoint={each} />
                </Row>
              ))}
            </Records>
          )
        }
      </Shown>
      <More of={endpoints} />
      {open?.form === "add" && <EndpointForm {...form} endpoint={null} done={done("the new endpoint")} />}
      {open?.form === "change" && <EndpointForm {...form} endpoint={open.endpoint} done={done(open.endpoint.name)} />}
      {open?.form === "rotate" && <RotateForm {...form} endpoint={open.endpoint} done={done(open.endpoint.name)} />}
      {open?.form === "remove" && <RemoveForm {...form} endpoint={open.endpoint} done={done(open.endpoint.name)} />}
      {open?.form === "replay" && <ReplayForm {...form} endpoint={open.endpoint} done={done(open.endpoint.name)} />}
      {secret && (
        <SecretDialog title={`Signing secret of ${secret.of}`} secret={secret.text} close={() => setSecret(null)}>
          With it the endpoint checks that a delivery comes from here and is whole (Standard Webhooks).
        </SecretDialog>
      )}
    </Part>
  );
}

function Row({ endpoint, health, now, children }: { endpoint: Integration; health: EndpointHealth | undefined; now: number; children: ReactNode }): ReactNode {
  const { tone, word, detail } = conditionOf(endpoint, health, now);
  return (
    <tr data-endpoint={endpoint.id}>
      <Cell of="Endpoint">
        <span>
          <strong>{endpoint.name}</strong>
          <br />
          <span className="note">{endpoint.url}</span>
        </span>
      </Cell>
      <Cell of="Health">
        <span>
          <State tone={tone}>{word}</State>
          {detail && <p className="note">{detail}</p>}
          {endpoint.missed_since && (
            <p className="note">
              It misses deliveries since <At at={endpoint.missed_since} />: send them again.
            </p>
          )}
          {endpoint.previous_secret_expires_at && Date.parse(endpoint.previous_secret_expires_at) > now && (
            <p className="note">
              The former secret signs too until <At at={endpoint.previous_secret_expires_at} />.
            </p>
          )}
        </span>
      </Cell>
      <Cell of="Told of">
        <span className="tags">
          {endpoint.events.map((each) => (
            <span key={each} className="tag">
              {each}
            </span>
          ))}
        </span>
      </Cell>
      <Cell of="Since">
        <At at={endpoint.created_at} />
      </Cell>
      <Cell of="">{children}</Cell>
    </tr>
  );
}

interface ActionsProps {
  organizationId: string;
  scopes: ReadonlySet<string>;
  endpoint: Integration;
  change: Change;
  changed: () => void;
  setOpen: (open: Open) => void;
}

function Actions({ organizationId, scopes, endpoint, change, changed, setOpen }: ActionsProps): ReactNode {
  const mayWrite = scopes.has("integrations:write");
  const turn = async (): Promise<void> => {
    if (await change.run(!endpoint.enabled, (key) => switchEndpoint(organizationId, endpoint.id, !endpoint.enabled, key), endpoint.id)) changed();
  };
  const label = (what: string): string => `${what} ${endpoint.name}`;
  return (
    <div className="buttons small-buttons">
      {scopes.has("deliveries:replay") && (
        <button type="button" aria-label={label("Send again to")} onClick={() => setOpen({ form: "replay", endpoint })}>
          Send again
        </button>
      )}
      {mayWrite && (
        <>
          <button type="button" aria-label={label("Change")} onClick={() => setOpen({ form: "change", endpoint })}>
            Change
          </button>
          <button type="button" aria-label={label("New secret for")} onClick={() => setOpen({ form: "rotate", endpoint })}>
            New secret
          </button>
          <button type="button" aria-label={label(endpoint.enabled ? "Switch off" : "Switch on")} disabled={change.isBusy} onClick={() => void turn()}>
            {endpoint.enabled ? "Switch off" : "Switch on"}
          </button>
          <button type="button" className="danger" aria-label={label("Remove")} onClick={() => setOpen({ form: "remove", endpoint })}>
            Remove
          </button>
        </>
      )}
    </div>
  );
}
