/** Sessions that the organization's login links opened for nobody in particular. */

import type { ReactNode } from "react";
import { organizationPath } from "../api/client.ts";
import { useChange } from "../api/change.ts";
import { At, Cell, Moment, Part, Records } from "../admin/parts.tsx";
import { useReading } from "../api/reading.ts";
import { Fault, Shown } from "../shell/states.tsx";
import { endLinkSession, type LinkSession } from "./api.ts";

export function LinkSessions({ organizationId, mayEnd, now }: { organizationId: string; mayEnd: boolean; now: number }): ReactNode {
  const sessions = useReading<{ sessions: LinkSession[] }>(organizationPath(organizationId, "link-sessions"));
  const change = useChange();
  const end = async (id: string | null): Promise<void> => {
    await change.run("end", (key) => endLinkSession(organizationId, id, key), id ?? "all");
    sessions.reload();
  };
  return (
    <Part id="link-sessions" title="Sessions of login links" lead="Whoever opened a login link of the organization watches as a supervisor, for a day.">
      <Fault of={change} />
      <Shown of={sessions} what="the sessions">
        {({ sessions: list }) =>
          list.length === 0 ? (
            <p className="note">No such session is open.</p>
          ) : (
            <>
              <Records caption="Sessions of login links" columns={["Opened", "Ends", ""]}>
                {list.map((each) => (
                  <tr key={each.session_id}>
                    <Cell of="Opened">
                      <Moment at={each.opened_at} now={now} />
                    </Cell>
                    <Cell of="Ends">
                      <At at={each.expires_at} />
                    </Cell>
                    <Cell of="">
                      {mayEnd && (
                        <button type="button" disabled={change.isBusy} onClick={() => void end(each.session_id)}>
                          End
                        </button>
                      )}
                    </Cell>
                  </tr>
                ))}
              </Records>
              {mayEnd && (
                <p>
                  <button type="button" className="danger" disabled={change.isBusy} onClick={() => void end(null)}>
                    End all of them
                  </button>
                </p>
              )}
            </>
          )
        }
      </Shown>
    </Part>
  );
}
