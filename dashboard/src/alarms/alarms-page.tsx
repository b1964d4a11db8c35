/** Incidents as they were and are, and the rules that open them. */

import { type ReactNode, useMemo } from "react";
import { useNow } from "../admin/now.ts";
import { AdminPage } from "../admin/parts.tsx";
import type { PageProps } from "../shell/pages.ts";
import { useRoute } from "../shell/router.ts";
import { IncidentsPart } from "./incidents-part.tsx";
import { RulesPart } from "./rules-part.tsx";

export function AlarmsPage({ organization }: PageProps): ReactNode {
  const { organization_id: organizationId } = organization;
  const scopes = useMemo(() => new Set(organization.scopes), [organization.scopes]);
  const { params } = useRoute();
  const now = useNow(1_000);
  return (
    <AdminPage id="alarms-page" title="Alarms" lead="What needed a look, who took care of it and how long it lasted; and the rules that say so.">
      <IncidentsPart organizationId={organizationId} only={params.get("open") ?? ""} mayAct={scopes.has("alarms:write")} now={now} />
      <RulesPart organizationId={organizationId} mayWrite={scopes.has("alarms:write")} mayAssistants={scopes.has("assistants:read")} />
    </AdminPage>
  );
}
