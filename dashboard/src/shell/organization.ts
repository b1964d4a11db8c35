/** Which organization is looked at: the one the address names, or the first. */

import type { PermittedOrganization, Session } from "../api/session.ts";

export function chosenOrganization(session: Session, params: URLSearchParams): PermittedOrganization | null {
  const asked = params.get("organization");
  return session.organizations.find((each) => each.organization_id === asked) ?? session.organizations[0] ?? null;
}
