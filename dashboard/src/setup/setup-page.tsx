/** Setting an organization up, holding its set-up against what VAPI keeps, and proving it by a call. */

import { type ReactNode, useMemo } from "react";
import { useNow } from "../admin/now.ts";
import { AdminPage } from "../admin/parts.tsx";
import type { PageProps } from "../shell/pages.ts";
import { Checklist } from "./checklist.tsx";
import { TestCallPart } from "./test-call.tsx";
import { WiringPart } from "./wiring.tsx";
import "./setup.css";

export function SetupPage({ organization }: PageProps): ReactNode {
  const { organization_id: organizationId } = organization;
  const scopes = useMemo(() => new Set(organization.scopes), [organization.scopes]);
  const now = useNow();
  return (
    <AdminPage id="setup-page" title="Set-up" lead="From nothing to a first call, each step proven by something that happened.">
      <div className="admin-columns">
        <Checklist organizationId={organizationId} mayBegin={scopes.has("billing:write")} />
        <div className="setup-side">
          {scopes.has("calls:create") && scopes.has("phone-numbers:read") && scopes.has("assistants:read") && <TestCallPart organizationId={organizationId} />}
          {scopes.has("assistants:read") && <WiringPart organizationId={organizationId} mayRepair={scopes.has("assistants:write")} now={now} />}
        </div>
      </div>
    </AdminPage>
  );
}
