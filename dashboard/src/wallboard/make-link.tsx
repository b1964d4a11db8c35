/** Makes a wallboard's link: a key that opens the live figures and nothing else, shown once. */

import { type ReactNode, useState } from "react";
import { useChange } from "../api/change.ts";
import { FormDialog, SecretDialog } from "../admin/dialog.tsx";
import { makeKey } from "../people/api.ts";
import { linkOf } from "./credential.ts";

const SCOPE = "wallboard:read";

export interface MakeWallboardLinkProps {
  organizationId: string;
  scopes: ReadonlySet<string>;
  /** A key was made: what is listed is to be asked for again. */
  made: () => void;
}

export function MakeWallboardLink({ organizationId, scopes, made }: MakeWallboardLinkProps): ReactNode {
  const change = useChange();
  const [asks, setAsks] = useState(false);
  const [name, setName] = useState("");
  const [link, setLink] = useState<string | null>(null);
  // A key gets no scope that its maker lacks.
  if (!scopes.has("api-keys:write") || !scopes.has(SCOPE)) return null;
  const submit = async (): Promise<void> => {
    let token = "";
    const fields = { name: name.trim(), scopes: [SCOPE], expires_at: null };
    if (!(await change.run(fields, async (key) => (token = await makeKey(organizationId, fields, key))))) return;
    setAsks(false);
    setName("");
    setLink(linkOf(location.origin, token));
    made();
  };
  return (
    <>
      <button type="button" onClick={() => setAsks(true)}>
        Wallboard link
      </button>
      {asks && (
        <FormDialog title="Make a wallboard link" submit="Make the link" change={change} close={() => setAsks(false)} onSubmit={() => void submit()}>
          <p>A screen on the wall that opens it shows the live figures and how many alarms are open: no numbers, names or words of any caller. Revoke its key to end it.</p>
          <label>
            Which screen
            <input value={name} required maxLength={100} autoComplete="off" placeholder="Wallboard, second floor" onChange={(event) => setName(event.target.value)} />
          </label>
        </FormDialog>
      )}
      {link !== null && (
        <SecretDialog title="Wallboard link" secret={link} close={() => setLink(null)}>
          Open it on the screen. Whoever has it sees the figures until its key is revoked.
        </SecretDialog>
      )}
    </>
  );
}
