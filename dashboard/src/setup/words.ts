/** The steps of setting up and what can differ at VAPI, in words. */

import type { Tone } from "../admin/parts.tsx";
import type { Onboarding, Step, StepState } from "./api.ts";

const STEPS: Readonly<Record<string, readonly [string, string]>> = {
  organization: ["Organization", "its name, time zone and plan"],
  stripe_customer: ["Customer at Stripe", "who pays"],
  stripe_subscription: ["Subscription at Stripe", "what is paid for"],
  assistant: ["Assistant at VAPI", "with our server address, secret and retries, read back"],
  monitor_authentication: ["Guarded live control", "nobody listens in or speaks without a credential"],
  phone_number: ["Phone number", "found, or bought at Twilio"],
  phone_number_import: ["Number at VAPI", "answered by the assistant, read back"],
  probe: ["Signed test event", "sent to our public address, and seen to arrive"],
  test_call: ["Test call", "placed, and seen on the board"],
  welcome_email: ["Welcome mail", "what was set up, told to its owner"],
};

export const stepWords = (step: string): readonly [string, string] => STEPS[step] ?? [step.replaceAll("_", " "), ""];

const STATES: Readonly<Record<StepState, readonly [Tone, string]>> = {
  pending: ["off", "to come"],
  running: ["wait", "under way"],
  done: ["good", "verified"],
  skipped: ["info", "left out"],
  failed: ["bad", "failed"],
  undoing: ["wait", "being taken back"],
  undone: ["off", "taken back"],
};

export const stepState = (state: StepState): readonly [Tone, string] => STATES[state];

export const isUnderWay = ({ state }: Onboarding): boolean => state === "pending" || state === "running" || state === "undoing";

/** How far a checklist is: of the steps that are not left out, how many hold. */
export function progress(steps: readonly Step[]): { done: number; of: number; leftOut: number } {
  const leftOut = steps.filter((each) => each.state === "skipped").length;
  return { done: steps.filter((each) => each.state === "done").length, of: steps.length - leftOut, leftOut };
}

export function onboardingWords(told: Onboarding): { tone: Tone; words: string } {
  const { done, of, leftOut } = progress(told.steps);
  const far = `${done} of ${of} steps verified${leftOut ? `, ${leftOut} left out` : ""}`;
  switch (told.state) {
    case "pending":
      return { tone: "wait", words: "It begins within seconds." };
    case "running":
      return { tone: "wait", words: `Under way: ${far}.` };
    case "undoing":
      return { tone: "wait", words: "A step failed for good: what this run made is being taken back." };
    case "completed":
      return { tone: "good", words: `Set up: ${far}.` };
    case "failed":
      return { tone: "bad", words: `It failed: ${far}. What it made was taken back; begin again once the cause is gone.` };
  }
}

const ASPECTS: Readonly<Record<string, string>> = {
  server_url: "its server address is another: events do not reach us",
  secret: "its secret is another: events are refused",
  backoff_plan: "no retries: an event lost once is lost",
  server_messages: "some events are not sent at all",
  monitor: "live control is open to anybody",
  absent: "VAPI has no such record any more: no repair brings it back",
};

export const aspectWords = (aspect: string): string => ASPECTS[aspect] ?? aspect.replaceAll("_", " ");
