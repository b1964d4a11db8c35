/** Setting an organization up, and whether what VAPI keeps still points at us, as the API tells it. */

import { api, organizationPath } from "../api/client.ts";

export type StepState = "pending" | "running" | "done" | "skipped" | "failed" | "undoing" | "undone";

export interface Step {
  step: string;
  state: StepState;
  detail: string | null;
  id: string | null;
  number: string | null;
  made: boolean;
  updated_at: string | null;
}

export interface Onboarding {
  id: string;
  state: "pending" | "running" | "undoing" | "completed" | "failed";
  steps: Step[];
  assistant_name: string;
  country: string;
  area_code: string | null;
  test_number: string | null;
  requested_by: string;
  created_at: string;
  finished_at: string | null;
}

export interface OnboardingFields {
  template: string;
  variables: Record<string, string>;
  country: string;
  area_code: string | null;
  test_number: string | null;
  vapi_key: string | null;
  vapi_public_key: string | null;
}

export interface Template {
  slug: string;
  name: string;
  description: string;
}

export interface WiringFinding {
  id: string;
  kind: "assistant" | "phone-number";
  subject_id: string;
  provider_id: string;
  aspects: string[];
  found_at: string;
  seen_at: string;
  closed_at: string | null;
  closed_as: "repaired" | "agrees" | "removed" | null;
  repair_asked_at: string | null;
  repair_asked_by: string | null;
  repair_error: string | null;
}

export interface Wiring {
  check: { attempted_at: string; checked_at: string | null; records: number; error: string | null; failing_since: string | null } | null;
  open: number;
  findings: WiringFinding[];
}

export interface Assistant {
  id: string;
  name: string;
}

export interface PhoneNumber {
  id: string;
  number: string;
  provider_phone_number_id: string | null;
  assistant_id: string | null;
}

export interface OutboundCall {
  id: string;
  status: string;
  reason: string | null;
  call_id: string | null;
}

export function beginOnboarding(organizationId: string, fields: OnboardingFields, key: string): Promise<Onboarding> {
  return api(organizationPath(organizationId, "onboarding"), { method: "POST", body: fields, idempotencyKey: key });
}

export function lookAtWiring(organizationId: string): Promise<Wiring> {
  return api(organizationPath(organizationId, "provider-wiring", "check"), { method: "POST" });
}

export function repairFinding(organizationId: string, id: string, key: string): Promise<WiringFinding> {
  return api(organizationPath(organizationId, "provider-wiring", id, "repair"), { method: "POST", idempotencyKey: key });
}

export interface TestCall {
  assistantId: string;
  phoneNumberId: string;
  number: string;
}

/** Places one call; with the same key it is never dialled twice. */
export function placeCall(organizationId: string, { assistantId, phoneNumberId, number }: TestCall, key: string): Promise<OutboundCall> {
  const body = { assistant_id: assistantId, phone_number_id: phoneNumberId, customer: { number } };
  return api(organizationPath(organizationId, "calls"), { method: "POST", body, idempotencyKey: key });
}
