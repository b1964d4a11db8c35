/** Who is signed in, as what, and signing out. */

import { type ReactNode, useState } from "react";
import { type PermittedOrganization, type Session, signOut } from "../api/session.ts";
import { faultOf } from "../api/client.ts";
import { words } from "../calls/format.ts";

export function Account({ session: { user }, organization }: { session: Session; organization: PermittedOrganization }): ReactNode {
  const [fault, setFault] = useState<string | null>(null);
  const [isLeaving, setIsLeaving] = useState(false);
  const leave = async (): Promise<void> => {
    setIsLeaving(true);
    setFault(null);
    try {
      await signOut();
    } catch (error) {
      setFault(`You are still signed in. ${faultOf(error)}`);
      setIsLeaving(false);
    }
  };
  return (
    <details className="drop account" id="account" name="drop">
      <summary>Account</summary>
      <div className="drop-body">
        <p>
          <strong>{user?.name ?? user?.email ?? "A login link of the organization"}</strong>
          {user?.name && user.email && (
            <>
              <br />
              <span className="note">{user.email}</span>
            </>
          )}
        </p>
        {organization.role && <p className="note">{words(organization.role)} of {organization.name}</p>}
        {fault && (
          <p className="fault" role="alert">
            {fault}
          </p>
        )}
        <button type="button" id="sign-out" disabled={isLeaving} onClick={() => void leave()}>
          Sign out
        </button>
      </div>
    </details>
  );
}
