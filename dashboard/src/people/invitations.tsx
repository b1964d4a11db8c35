/** Inviting people, and what was not answered yet. */

import { type ReactNode, useState } from "react";
import { organizationPath } from "../api/client.ts";
import { useChange } from "../api/change.ts";
import { FormDialog, SecretDialog } from "../admin/dialog.tsx";
import { At, Cell, Part, Records, State } from "../admin/parts.tsx";
import { useReading } from "../api/reading.ts";
import { type Role, ROLE_WORDS, ROLES } from "../api/scopes.ts";
import { Fault, Shown } from "../shell/states.tsx";
import { type Invitation, invite, revokeInvitation } from "./api.ts";

export function Invitations({ organizationId, mayOwners }: { organizationId: string; mayOwners: boolean }): ReactNode {
  const invitations = useReading<{ invitations: Invitation[] }>(organizationPath(organizationId, "invitations"));
  const change = useChange();
  const [isAsking, setIsAsking] = useState(false);
  const [made, setMade] = useState<{ email: string; url: string } | null>(null);
  const revoke = async (id: string): Promise<void> => {
    await change.run("revoke", () => revokeInvitation(organizationId, id), id);
    invitations.reload();
  };
  return (
    <Part
      id="invitations"
      title="Invitations"
      actions={
        <button type="button" className="primary" onClick={() => setIsAsking(true)}>
          Invite somebody
        </button>
      }
    >
      <Fault of={change} />
      <Shown of={invitations} what="the invitations">
        {({ invitations: list }) =>
          list.length === 0 ? (
            <p className="note">No invitation is open.</p>
          ) : (
            <Records caption="Open invitations" columns={["Address", "Role", "State", "By", ""]}>
              {list.map((each) => (
                <tr key={each.invitation_id} data-invitation={each.invitation_id}>
                  <Cell of="Address">
                    <strong>{each.email}</strong>
                  </Cell>
                  <Cell of="Role">{each.role}</Cell>
                  <Cell of="State">
                    <span>
                      <State tone={each.status === "expired" ? "off" : "wait"}>{each.status}</State>{" "}
                      <span className="note">
                        {each.status === "expired" ? "since" : "until"} <At at={each.expires_at} />
                      </span>
                    </span>
                  </Cell>
                  <Cell of="By">{each.invited_by}</Cell>
                  <Cell of="">
                    <button type="button" disabled={change.isBusy} aria-label={`Revoke the invitation of ${each.email}`} onClick={() => void revoke(each.invitation_id)}>
                      Revoke
                    </button>
                  </Cell>
                </tr>
              ))}
            </Records>
          )
        }
      </Shown>
      {isAsking && (
        <InviteForm
          organizationId={organizationId}
          mayOwners={mayOwners}
          close={() => setIsAsking(false)}
          done={(email, url) => {
            setIsAsking(false);
            setMade({ email, url });
            invitations.reload();
          }}
        />
      )}
      {made && (
        <SecretDialog title={`Invitation for ${made.email}`} secret={made.url} close={() => setMade(null)}>
          Send them this address: only they can accept it, once, within 7 days.
        </SecretDialog>
      )}
    </Part>
  );
}

function InviteForm({ organizationId, mayOwners, close, done }: { organizationId: string; mayOwners: boolean; close: () => void; done: (email: string, url: string) => void }): ReactNode {
  const change = useChange();
  const [email, setEmail] = useState("");
  const [role, setRole] = useState<Role>("supervisor");
  const submit = async (): Promise<void> => {
    let url = "";
    if (await change.run([email.trim(), role], async (key) => (url = await invite(organizationId, email.trim(), role, key)))) done(email.trim(), url);
  };
  return (
    <FormDialog title="Invite somebody" submit="Invite" change={change} close={close} onSubmit={() => void submit()}>
      <label>
        Email address
        <input type="email" required maxLength={320} value={email} autoComplete="off" onChange={(event) => setEmail(event.target.value)} />
      </label>
      <fieldset>
        <legend>Role</legend>
        {ROLES.filter((each) => each !== "owner" || mayOwners).map((each) => (
          <label key={each} className="check">
            <input type="radio" name="role" checked={role === each} onChange={() => setRole(each)} />
            <span>
              {each} <span className="note">{ROLE_WORDS[each]}</span>
            </span>
          </label>
        ))}
      </fieldset>
    </FormDialog>
  );
}
