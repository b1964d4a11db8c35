/** Which organization is looked at: the one the address names, or the first. */

import type { PermittedOrganization, Session } from "../api/session.ts";

export function chosenOrganization(session: Session, params: URLSearchParams): PermittedOrganization | null {
  const asked = params.get("organization");
  return session.organizations.find((each) => each.organization_id === asked) ?? session.organizations[0] ?? null;
}

/** Whether the live feed is open to whoever looks: the board, and how live every page is. */
export const mayWatch = ({ scopes }: PermittedOrganization): boolean => scopes.includes("live:read");

/** Calls, assistants and numbers of one organization mean nothing in another: what narrowed the page stays behind. */
export function toOrganization(params: URLSearchParams, organizationId: string): void {
  for (const name of new Set(params.keys())) params.delete(name);
  params.set("organization", organizationId);
}
