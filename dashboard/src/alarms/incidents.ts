/** What somebody does about an incident. The live feed tells when it is done. */

import { api, organizationPath } from "../api/client.ts";

export type IncidentAction = "acknowledge" | "mute" | "resolve";

export function actOnIncident(organizationId: string, incidentId: string, action: IncidentAction): Promise<unknown> {
  return api(organizationPath(organizationId, "incidents", incidentId, action), { method: "POST" });
}
