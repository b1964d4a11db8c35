import { expect, test } from "vitest";
import { isUnderWay, messageState, reasonOf } from "../src/record/messages.ts";

const reason = (provider: string, error: string | null): string | null => reasonOf({ provider, error });

test("a message stands where its provider says, in a word with its tone", () => {
  expect(["delivered", "undelivered", "suppressed", "sent", "bounced"].map((status) => messageState({ status }).tone)).toEqual(["good", "bad", "off", "wait", "bad"]);
  expect(messageState({ status: "held_by_carrier" })).toEqual({ tone: "info", words: "held by carrier" });
});

test("it is looked at again for as long as that may change", () => {
  expect(["pending", "sending", "queued", "sent"].every((status) => isUnderWay({ status }))).toBe(true);
  expect(["delivered", "failed", "bounced", "off"].some((status) => isUnderWay({ status }))).toBe(false);
});

test("why a message did not arrive is a sentence, with the provider's code beside it", () => {
  expect(reason("twilio", "30003")).toBe("The telephone is off or out of reach. (30003)");
  expect(reason("resend", "Permanent: General")).toBe("The mailbox does not exist or takes nothing. (Permanent: General)");
  expect(reason("resend", "Transient: MailboxFull")).toBe("The mailbox is full. (Transient: MailboxFull)");
  expect(reason("twilio", "opt-out")).toBe("The recipient answered STOP.");
});

test("a reason that is not known is told as it came, and none where nothing went wrong", () => {
  expect(reason("twilio", "39999")).toBe("The provider tells only its code 39999.");
  expect(reason("resend", "whether it was sent is not known")).toBe("Whether it was sent is not known.");
  expect(reason("twilio", null)).toBeNull();
});
