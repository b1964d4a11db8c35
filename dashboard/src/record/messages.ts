/** Messages about a call, as the API tells them, and what became of each in words. */

import type { Tone } from "../admin/parts.tsx";
import { words } from "../calls/format.ts";

export interface Message {
  id: string;
  call_id: string | null;
  kind: string;
  channel: "sms" | "email";
  recipient: string;
  provider: string;
  status: string;
  error: string | null;
  resend_of: string | null;
  sent_at: string | null;
  updated_at: string;
  created_at: string;
}

export interface State {
  tone: Tone;
  words: string;
}

const STATES: Readonly<Record<string, State>> = {
  pending: { tone: "wait", words: "to be sent" },
  sending: { tone: "wait", words: "being sent" },
  accepted: { tone: "wait", words: "handed over" },
  scheduled: { tone: "wait", words: "handed over" },
  queued: { tone: "wait", words: "handed over" },
  sent: { tone: "wait", words: "sent, arrival not told yet" },
  delivery_delayed: { tone: "wait", words: "delayed on its way" },
  partially_delivered: { tone: "wait", words: "arrived in part" },
  delivered: { tone: "good", words: "arrived" },
  read: { tone: "good", words: "read" },
  undelivered: { tone: "bad", words: "did not arrive" },
  bounced: { tone: "bad", words: "came back" },
  complained: { tone: "bad", words: "marked as spam" },
  failed: { tone: "bad", words: "could not be sent" },
  canceled: { tone: "off", words: "taken back" },
  suppressed: { tone: "off", words: "not sent" },
  off: { tone: "off", words: "not sent" },
};

/** How a message stands; a word of its provider's that is not known is shown as it is. */
export function messageState({ status }: Pick<Message, "status">): State {
  return STATES[status] ?? { tone: "info", words: words(status.replaceAll("_", " ")) };
}

/** Whether what became of it may still change. */
export function isUnderWay(message: Pick<Message, "status">): boolean {
  return messageState(message).tone === "wait";
}

// https://www.twilio.com/docs/api/errors: those of messages.
const TEXTS: Readonly<Record<string, string>> = {
  "21211": "The number is none.",
  "21214": "The number is none.",
  "21217": "The number is none.",
  "21408": "The account may not send to that country.",
  "21606": "The sender's number cannot send texts.",
  "21608": "A trial account sends only to numbers that were verified.",
  "21610": "The recipient answered STOP.",
  "21612": "No way leads from the sender's number to this one.",
  "21614": "The number takes no texts.",
  "21617": "The text is too long.",
  "30001": "The provider's queue was full.",
  "30002": "The account at the provider is suspended.",
  "30003": "The telephone is off or out of reach.",
  "30004": "The recipient or the carrier blocks the message.",
  "30005": "The number is unknown or not in use.",
  "30006": "The number is a landline, or its carrier takes no texts.",
  "30007": "The carrier filtered it as unwanted.",
  "30008": "The carrier tells no reason.",
  "30022": "Too many texts from this number at once.",
  "30032": "The toll-free sender is not verified.",
  "30034": "The sender's number is not registered for business texts.",
};

const MAILS: readonly [RegExp, string][] = [
  [/^permanent: ?suppressed/i, "The address bounced before, so the provider no longer writes to it."],
  [/^permanent/i, "The mailbox does not exist or takes nothing."],
  [/^transient: ?mailboxfull/i, "The mailbox is full."],
  [/^transient: ?(messagetoolarge|contentrejected|attachmentrejected)/i, "The mail server refused what it says or how large it is."],
  [/^transient/i, "The mail server did not take it for now."],
  [/^(undetermined|unknown)/i, "The mail server tells no clear reason."],
  [/^validation_error/i, "The provider takes the address or the sender for wrong."],
  [/^(missing|invalid|restricted)_api_key/i, "The provider does not accept the account's key."],
];

const OWN: Readonly<Record<string, string>> = {
  "opt-out": "The recipient answered STOP.",
  bounce: "An earlier email to the address came back.",
  complaint: "The recipient marked an earlier email as spam.",
  suppressed: "The provider no longer writes to the address.",
  "no provider is set": "No provider for this channel is set up.",
  "the provider was away": "The provider was away for two days.",
};

/** Why a message did not arrive, in a sentence, with the provider's code where it gave one; null where nothing went wrong. */
export function reasonOf({ provider, error }: Pick<Message, "provider" | "error">): string | null {
  if (error === null) return null;
  const own = OWN[error];
  if (own !== undefined) return own;
  const text = provider === "twilio" ? TEXTS[error] : MAILS.find(([pattern]) => pattern.test(error))?.[1];
  if (text !== undefined) return `${text} (${error})`;
  return /^\d+$/.test(error) ? `The provider tells only its code ${error}.` : `${error.charAt(0).toUpperCase()}${error.slice(1)}.`;
}

/** When the message last moved: taken by its provider, else settled or put off. */
export function momentOfMessage(message: Pick<Message, "sent_at" | "updated_at">): string {
  return message.sent_at ?? message.updated_at;
}
