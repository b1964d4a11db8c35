/** Freeing the slot of a call that gives no sign any more, with the reason that the audit log keeps. */

import { type ReactNode, useState } from "react";
import { useChange } from "../api/change.ts";
import { releaseSlot } from "./slots.ts";
import { Fault } from "../shell/states.tsx";

export interface SlotReleaseProps {
  organizationId: string;
  callId: string;
  /** Whom the call is with. */
  name: string;
  released: () => void;
}

export function SlotRelease({ organizationId, callId, name, released }: SlotReleaseProps): ReactNode {
  const change = useChange();
  const [isAsked, setIsAsked] = useState(false);
  const [reason, setReason] = useState("");
  if (!isAsked) {
    return (
      <button type="button" aria-label={`Release the slot of ${name}`} onClick={() => setIsAsked(true)}>
        Release
      </button>
    );
  }
  const release = async (): Promise<void> => {
    if (await change.run(reason.trim(), () => releaseSlot(organizationId, callId, reason.trim()))) released();
  };
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (reason.trim() && !change.isBusy) void release();
      }}
    >
      <label>
        Why it may be freed
        {/* Somebody has just asked for it. */}
        {/* oxlint-disable-next-line jsx-a11y/no-autofocus */}
        <input autoFocus value={reason} maxLength={500} required autoComplete="off" onChange={(event) => setReason(event.target.value)} />
      </label>
      <button type="submit" disabled={change.isBusy || !reason.trim()}>
        Free the slot
      </button>
      <button type="button" onClick={() => setIsAsked(false)}>
        Keep it
      </button>
      <Fault of={change} />
    </form>
  );
}
