/** Endpoints, how they fare, and what was delivered to them, as the API tells it. */

import { api, organizationPath } from "../api/client.ts";

export const EVENTS = ["call.started", "call.completed", "incident.opened", "incident.closed"] as const;

export interface Integration {
  id: string;
  name: string;
  url: string;
  events: string[];
  enabled: boolean;
  disabled_at: string | null;
  disabled_reason: "gone" | "failing" | "manual" | null;
  failing_since: string | null;
  missed_since: string | null;
  previous_secret_expires_at: string | null;
  created_at: string;
}

export interface EndpointHealth {
  integration_id: string;
  circuit: "closed" | "open" | "probing";
  open_until: string | null;
  consecutive_failures: number;
}

export type DeliveryStatus = "pending" | "delivered" | "exhausted" | "cancelled";

export interface Delivery {
  id: string;
  integration_id: string;
  event: string;
  call_id: string | null;
  status: DeliveryStatus;
  attempts: number;
  next_attempt_at: string | null;
  settled_at: string | null;
  created_at: string;
  /** Of the last attempt; all null before the first. */
  last_attempt_at: string | null;
  last_response_status: number | null;
  last_error: string | null;
}

export interface Attempt {
  attempt: number;
  attempted_at: string;
  duration_ms: number;
  response_status: number | null;
  response_excerpt: string | null;
  error: string | null;
}

export interface DeliveryDetail {
  payload: string;
  tried: Attempt[];
}

export interface Replay {
  id: string;
  integration_id: string;
  delivery_id: string | null;
  since: string;
  until: string;
  only_status: DeliveryStatus | null;
  status: "pending" | "done";
  deliveries: number | null;
  requested_by: string;
  created_at: string;
  done_at: string | null;
}

export interface EndpointFields {
  name: string;
  url: string;
  events: string[];
}

const at = (organizationId: string, ...parts: string[]): string => organizationPath(organizationId, "integrations", ...parts);

/** Makes or changes an endpoint; the secret of a new one, which no other answer shows. */
export async function saveEndpoint(organizationId: string, id: string | null, fields: EndpointFields, key: string): Promise<string | null> {
  const asked = { body: fields, idempotencyKey: key };
  if (id !== null) {
    await api(at(organizationId, id), { method: "PATCH", ...asked });
    return null;
  }
  return (await api<{ signing_secret: string }>(at(organizationId), { method: "POST", ...asked })).signing_secret;
}

export function switchEndpoint(organizationId: string, id: string, enabled: boolean, key: string): Promise<unknown> {
  return api(at(organizationId, id), { method: "PATCH", body: { enabled }, idempotencyKey: key });
}

export async function rotateSecret(organizationId: string, id: string, hours: number, key: string): Promise<string> {
  const asked = { method: "POST", body: { previous_valid_hours: hours }, idempotencyKey: key } as const;
  return (await api<{ signing_secret: string }>(at(organizationId, id, "rotate-secret"), asked)).signing_secret;
}

export function removeEndpoint(organizationId: string, id: string, key: string): Promise<unknown> {
  return api(at(organizationId, id), { method: "DELETE", idempotencyKey: key });
}

export function replayDelivery(organizationId: string, id: string, key: string): Promise<unknown> {
  return api(organizationPath(organizationId, "deliveries", id, "replay"), { method: "POST", idempotencyKey: key });
}

export interface ReplayRange {
  from: string;
  to: string;
  status: DeliveryStatus | null;
}

export function replayRange(organizationId: string, id: string, range: ReplayRange, key: string): Promise<unknown> {
  return api(at(organizationId, id, "replays"), { method: "POST", body: range, idempotencyKey: key });
}
