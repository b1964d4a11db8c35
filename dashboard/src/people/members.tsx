/** Who is a member, what they may do, and letting them go. */

import { type ReactNode, useState } from "react";
import { organizationPath } from "../api/client.ts";
import { useChange } from "../api/change.ts";
import { FormDialog } from "../admin/dialog.tsx";
import { At, Cell, Moment, Part, Records } from "../admin/parts.tsx";
import { useReading } from "../api/reading.ts";
import { type Role, ROLES } from "../api/scopes.ts";
import { Empty, Fault, Shown } from "../shell/states.tsx";
import { changeRole, type Member, removeMember } from "./api.ts";

export interface MembersProps {
  organizationId: string;
  scopes: ReadonlySet<string>;
  /** Who looks, if it is a person. */
  userId: string | null;
  now: number;
}

export function Members({ organizationId, scopes, userId, now }: MembersProps): ReactNode {
  const members = useReading<{ members: Member[] }>(organizationPath(organizationId, "members"));
  const change = useChange();
  const [leaving, setLeaving] = useState<Member | null>(null);
  const mayWrite = scopes.has("members:write");
  const mayOwners = scopes.has("owners:write");
  const run = async (of: string, asked: unknown, make: () => Promise<unknown>): Promise<void> => {
    if (await change.run(asked, make, of)) setLeaving(null);
    members.reload();
  };
  return (
    <Part id="members" title="Members">
      {leaving === null && <Fault of={change} />}
      <Shown of={members} what="the members">
        {({ members: list }) =>
          list.length === 0 ? (
            <Empty title="Nobody is a member yet.">Whoever holds a login link watches as a supervisor; invite people to know who did what.</Empty>
          ) : (
            <Records caption="Members" columns={["Person", "Role", "Last seen", "Since", ""]}>
              {list.map((each) => {
                const mayTouch = mayWrite && (each.role !== "owner" || mayOwners);
                return (
                  <tr key={each.user_id} data-member={each.user_id}>
                    <Cell of="Person">
                      <span>
                        <strong>{each.name ?? each.email}</strong>
                        {each.user_id === userId && <span className="note"> (you)</span>}
                        {each.name && (
                          <>
                            <br />
                            <span className="note">{each.email}</span>
                          </>
                        )}
                      </span>
                    </Cell>
                    <Cell of="Role">
                      {mayTouch ? (
                        <select
                          aria-label={`Role of ${each.email}`}
                          value={each.role}
                          disabled={change.isBusy}
                          onChange={(event) => {
                            const role = event.target.value as Role;
                            void run(each.user_id, role, () => changeRole(organizationId, each.user_id, role));
                          }}
                        >
                          {ROLES.filter((role) => role !== "owner" || mayOwners).map((role) => (
                            <option key={role}>{role}</option>
                          ))}
                        </select>
                      ) : (
                        each.role
                      )}
                    </Cell>
                    <Cell of="Last seen">
                      <Moment at={each.seen_at} now={now} />
                    </Cell>
                    <Cell of="Since">
                      <At at={each.created_at} />
                    </Cell>
                    <Cell of="">
                      {mayTouch && (
                        <button type="button" className="danger" aria-label={`Remove ${each.email}`} onClick={() => setLeaving(each)}>
                          Remove
                        </button>
                      )}
                    </Cell>
                  </tr>
                );
              })}
            </Records>
          )
        }
      </Shown>
      {leaving && (
        <FormDialog title={`Remove ${leaving.email}?`} submit="Remove the member" isDanger change={change} close={() => setLeaving(null)} onSubmit={() => void run(leaving.user_id, "remove", () => removeMember(organizationId, leaving.user_id))}>
          <p>What they may do here ends within seconds. What they did stays in the audit log.</p>
        </FormDialog>
      )}
    </Part>
  );
}
