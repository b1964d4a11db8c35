/** API keys: which there are, when each was used last, making, replacing and revoking them. */

import { type ReactNode, useState } from "react";
import { organizationPath } from "../api/client.ts";
import { useChange } from "../api/change.ts";
import { FormDialog, SecretDialog } from "../admin/dialog.tsx";
import { At, Cell, Moment, Part, Records, State } from "../admin/parts.tsx";
import { useReading } from "../api/reading.ts";
import { Empty, Shown } from "../shell/states.tsx";
import { counted } from "../calls/format.ts";
import { MakeWallboardLink } from "../wallboard/make-link.tsx";
import { type ApiKey, revokeKey } from "./api.ts";
import { MakeKeyForm, RotateKeyForm } from "./key-dialogs.tsx";
import { keyState, liveFirst } from "./keys.ts";

type Open = { form: "make" } | { form: "rotate" | "revoke"; of: ApiKey };

export function ApiKeys({ organizationId, scopes, now }: { organizationId: string; scopes: ReadonlySet<string>; now: number }): ReactNode {
  const keys = useReading<{ api_keys: ApiKey[] }>(organizationPath(organizationId, "api-keys"));
  const [open, setOpen] = useState<Open | null>(null);
  const [secret, setSecret] = useState<{ name: string; text: string } | null>(null);
  const mayWrite = scopes.has("api-keys:write");
  const close = (): void => setOpen(null);
  const done = (name: string, text: string): void => {
    close();
    setSecret({ name, text });
    keys.reload();
  };
  return (
    <Part
      id="api-keys"
      title="API keys"
      lead="With those that ended in the last 90 days."
      actions={
        mayWrite && (
          <>
            <MakeWallboardLink organizationId={organizationId} scopes={scopes} made={keys.reload} />
            <button type="button" className="primary" onClick={() => setOpen({ form: "make" })}>
              Make a key
            </button>
          </>
        )
      }
    >
      <Shown of={keys} what="the API keys">
        {({ api_keys }) =>
          api_keys.length === 0 ? (
            <Empty title="There is no API key.">Programs sign in with one: make one for each, with as little as it needs.</Empty>
          ) : (
            <Records caption="API keys" columns={["Key", "May", "Last used", "State", "Made", ""]}>
              {liveFirst(api_keys, now).map((each) => (
                <Row key={each.key_id} of={each} now={now}>
                  {mayWrite && keyState(each, now).isLive && (
                    <div className="buttons">
                      <button type="button" aria-label={`Rotate ${each.name}`} onClick={() => setOpen({ form: "rotate", of: each })}>
                        Rotate
                      </button>
                      <button type="button" className="danger" aria-label={`Revoke ${each.name}`} onClick={() => setOpen({ form: "revoke", of: each })}>
                        Revoke
                      </button>
                    </div>
                  )}
                </Row>
              ))}
            </Records>
          )
        }
      </Shown>
      {open?.form === "make" && <MakeKeyForm {...{ organizationId, scopes, close, done }} />}
      {open?.form === "rotate" && <RotateKeyForm {...{ organizationId, close, done }} of={open.of} />}
      {open?.form === "revoke" && (
        <RevokeForm
          organizationId={organizationId}
          of={open.of}
          close={close}
          done={() => {
            close();
            keys.reload();
          }}
        />
      )}
      {secret && (
        <SecretDialog title={`API key ${secret.name}`} secret={secret.text} close={() => setSecret(null)}>
          A program sends it as <code>Authorization: Bearer …</code>.
        </SecretDialog>
      )}
    </Part>
  );
}

function Row({ of, now, children }: { of: ApiKey; now: number; children: ReactNode }): ReactNode {
  const { tone, word } = keyState(of, now);
  return (
    <tr data-key={of.key_id}>
      <Cell of="Key">
        <span>
          <strong>{of.name}</strong>
          <br />
          <span className="note">{of.key_id}</span>
        </span>
      </Cell>
      <Cell of="May">
        <details>
          <summary>
            {counted(of.scopes.length, "scope")}, as {of.role}
          </summary>
          <span className="tags">
            {of.scopes.map((each) => (
              <span key={each} className="tag">
                {each}
              </span>
            ))}
          </span>
        </details>
      </Cell>
      <Cell of="Last used">{of.last_used_at === null ? "never" : <Moment at={of.last_used_at} now={now} />}</Cell>
      <Cell of="State">
        <span>
          <State tone={tone}>{word}</State>
          {of.expires_at && of.revoked_at === null && (
            <span className="note">
              {" "}
              <At at={of.expires_at} />
            </span>
          )}
        </span>
      </Cell>
      <Cell of="Made">
        <span>
          <At at={of.created_at} />
          {of.created_by && (
            <>
              <br />
              <span className="note">{of.created_by}</span>
            </>
          )}
        </span>
      </Cell>
      <Cell of="">{children}</Cell>
    </tr>
  );
}

function RevokeForm({ organizationId, of, close, done }: { organizationId: string; of: ApiKey; close: () => void; done: () => void }): ReactNode {
  const change = useChange();
  const submit = async (): Promise<void> => {
    if (await change.run("revoke", () => revokeKey(organizationId, of.key_id))) done();
  };
  return (
    <FormDialog title={`Revoke ${of.name}?`} submit="Revoke the key" isDanger change={change} close={close} onSubmit={() => void submit()}>
      <p>Whatever uses it is refused everywhere within seconds, and it cannot be brought back.</p>
    </FormDialog>
  );
}
