/** Every scope there is, the least role that has it and what it is for: equal to serve/roles.py, which a test holds it to. */

export type Role = "owner" | "admin" | "supervisor" | "viewer";

export const ROLES: readonly Role[] = ["owner", "admin", "supervisor", "viewer"];

export const ROLE_WORDS: Readonly<Record<Role, string>> = {
  owner: "everything, money and other owners too",
  admin: "set-up, people, keys and the audit log",
  supervisor: "watches and acts on calls, alarms and deliveries",
  viewer: "watches",
};

export const SCOPES: Readonly<Record<string, readonly [Role, string]>> = {
  "organization:read": ["viewer", "read the organization's settings"],
  "organization:write": ["admin", "change the organization's settings"],
  "organization:delete": ["owner", "delete the organization"],
  "members:read": ["viewer", "see who is a member"],
  "members:write": ["admin", "invite, change and remove members"],
  "owners:write": ["owner", "make or unmake an owner"],
  "api-keys:read": ["admin", "see API keys"],
  "api-keys:write": ["admin", "make, rotate and revoke API keys"],
  "audit:read": ["admin", "read the audit log"],
  "calls:read": ["viewer", "read calls and figures"],
  "calls:export": ["supervisor", "export calls"],
  "calls:annotate": ["supervisor", "write notes on calls, and tag them"],
  "calls:control": ["supervisor", "speak into, mute and transfer calls"],
  "calls:end": ["supervisor", "end calls"],
  "calls:create": ["supervisor", "place calls"],
  "live:read": ["viewer", "watch the live board"],
  "wallboard:read": ["viewer", "watch its figures, without any caller"],
  "slots:release": ["supervisor", "release slots"],
  "alarms:read": ["viewer", "see alarms and rules"],
  "alarms:write": ["supervisor", "acknowledge alarms, change rules"],
  "assistants:read": ["viewer", "read assistants"],
  "assistants:write": ["admin", "change assistants"],
  "phone-numbers:read": ["viewer", "read phone numbers"],
  "phone-numbers:write": ["admin", "change phone numbers"],
  "templates:read": ["viewer", "read templates"],
  "integrations:read": ["supervisor", "see endpoints and deliveries"],
  "integrations:write": ["admin", "change endpoints"],
  "deliveries:replay": ["supervisor", "send deliveries again"],
  "usage:read": ["supervisor", "read usage"],
  "billing:read": ["admin", "read bills"],
  "billing:write": ["owner", "decide about money"],
  "simulator:read": ["admin", "see what simulated vendors received"],
};

/** What a scope permits, to go on with after “to”. */
export const scopeWords = (scope: string): string => SCOPES[scope]?.[1] ?? `do what ${scope} permits`;

/** Whether members of this role have the scope; a key may have a role, and less than it permits. */
export function reaches(role: string, scope: string): boolean {
  const least = SCOPES[scope]?.[0];
  const [rank, needed] = [ROLES.findIndex((each) => each === role), ROLES.findIndex((each) => each === least)];
  return rank >= 0 && rank <= needed;
}

/** Which role a scope needs, in words. */
export function neededRole(scope: string): string {
  const role = SCOPES[scope]?.[0];
  return role === undefined ? "another role" : role === "owner" ? "an owner" : `${role === "admin" ? "an" : "a"} ${role} or more`;
}
