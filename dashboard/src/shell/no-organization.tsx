/** What is shown to whoever is signed in and a member of nothing: not invited yet, or removed. */

import type { ReactNode } from "react";
import { useChange } from "../api/change.ts";
import { loadSession, type Session, signOut } from "../api/session.ts";
import { Fault } from "./states.tsx";

export function NoOrganization({ session: { user } }: { session: Session }): ReactNode {
  const change = useChange();
  return (
    <main className="sign-in" id="no-organization">
      <p className="kicker">Call supervisor</p>
      <h1>You are a member of no organization</h1>
      <p>
        You are signed in{user?.email && <> as {user.email}</>}. An owner or admin of your organization can invite you: accept by the link of the invitation, then look again.
      </p>
      <Fault of={change} />
      <p className="buttons">
        <button type="button" className="primary" disabled={change.isBusy} onClick={() => void change.run("look", loadSession)}>
          Look again
        </button>
        <button type="button" disabled={change.isBusy} onClick={() => void change.run("leave", signOut)}>
          Sign out
        </button>
      </p>
    </main>
  );
}
