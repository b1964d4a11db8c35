/** Members, invitations, API keys and sessions of login links, as the API tells them. */

import { api, organizationPath } from "../api/client.ts";
import type { Role } from "../api/scopes.ts";

export interface Member {
  user_id: string;
  email: string;
  name: string | null;
  role: Role;
  created_at: string;
  seen_at: string | null;
}

export interface Invitation {
  invitation_id: string;
  email: string;
  role: Role;
  invited_by: string;
  status: string;
  created_at: string;
  expires_at: string;
}

export interface ApiKey {
  key_id: string;
  name: string;
  scopes: string[];
  role: Role;
  created_by: string | null;
  created_at: string;
  expires_at: string | null;
  revoked_at: string | null;
  last_used_at: string | null;
}

export interface LinkSession {
  session_id: string;
  opened_at: string;
  expires_at: string;
}

export function changeRole(organizationId: string, userId: string, role: Role): Promise<unknown> {
  return api(organizationPath(organizationId, "members", userId), { method: "PATCH", body: { role } });
}

export function removeMember(organizationId: string, userId: string): Promise<unknown> {
  return api(organizationPath(organizationId, "members", userId), { method: "DELETE" });
}

/** Invites; the address that accepts, which no other answer shows. */
export async function invite(organizationId: string, email: string, role: Role, key: string): Promise<string> {
  const asked = { method: "POST", body: { email, role }, idempotencyKey: key } as const;
  return (await api<{ url: string }>(organizationPath(organizationId, "invitations"), asked)).url;
}

export function revokeInvitation(organizationId: string, id: string): Promise<unknown> {
  return api(organizationPath(organizationId, "invitations", id), { method: "DELETE" });
}

export interface KeyFields {
  name: string;
  scopes: readonly string[];
  expires_at: string | null;
}

/** Makes a key; the key itself, which no other answer shows. */
export async function makeKey(organizationId: string, fields: KeyFields, key: string): Promise<string> {
  const asked = { method: "POST", body: fields, idempotencyKey: key } as const;
  return (await api<{ api_key: string }>(organizationPath(organizationId, "api-keys"), asked)).api_key;
}

export async function rotateKey(organizationId: string, keyId: string, graceSeconds: number, key: string): Promise<string> {
  const asked = { method: "POST", body: { grace_seconds: graceSeconds }, idempotencyKey: key } as const;
  return (await api<{ api_key: string }>(organizationPath(organizationId, "api-keys", keyId, "rotate"), asked)).api_key;
}

export function revokeKey(organizationId: string, keyId: string): Promise<unknown> {
  return api(organizationPath(organizationId, "api-keys", keyId), { method: "DELETE" });
}

export function endLinkSession(organizationId: string, id: string | null, key: string): Promise<unknown> {
  return api(organizationPath(organizationId, "link-sessions", ...(id === null ? [] : [id])), { method: "DELETE", idempotencyKey: key });
}
