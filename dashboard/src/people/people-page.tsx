/** Who may do what here: members, invitations, API keys, sessions. */

import { type ReactNode, useMemo } from "react";
import { useNow } from "../admin/now.ts";
import { AdminPage, Part } from "../admin/parts.tsx";
import type { PageProps } from "../shell/pages.ts";
import { neededRole } from "../api/scopes.ts";
import { ApiKeys } from "./api-keys.tsx";
import { Invitations } from "./invitations.tsx";
import { LinkSessions } from "./link-sessions.tsx";
import { Members } from "./members.tsx";
import "./people.css";

export function PeoplePage({ organization, session }: PageProps): ReactNode {
  const { organization_id: organizationId } = organization;
  const scopes = useMemo(() => new Set(organization.scopes), [organization.scopes]);
  const now = useNow(15_000);
  return (
    <AdminPage id="people-page" title="People and keys" lead="Who and what may do what here. Every change is in the audit log.">
      <Members {...{ organizationId, scopes, now }} userId={session.user?.user_id ?? null} />
      {scopes.has("members:write") && <Invitations organizationId={organizationId} mayOwners={scopes.has("owners:write")} />}
      {scopes.has("api-keys:read") ? (
        <>
          <ApiKeys {...{ organizationId, scopes, now }} />
          <LinkSessions organizationId={organizationId} mayEnd={scopes.has("api-keys:write")} now={now} />
        </>
      ) : (
        <Part id="api-keys" title="Invitations, API keys and sessions">
          <p className="note">
            To invite people and to see keys takes {neededRole("api-keys:read")}. You are {organization.role ?? "a key"} here.
          </p>
        </Part>
      )}
    </AdminPage>
  );
}
