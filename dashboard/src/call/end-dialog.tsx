/** Asks before a call is ended, and why. The focus begins on Cancel: no single key ends a call. */

import { type ReactNode, useEffect, useRef, useState } from "react";
import { callerOf } from "../calls/facts.ts";
import type { BoardCall } from "../live/protocol.ts";
import { useModal } from "../shell/modal.ts";

export interface EndDialogProps {
  call: BoardCall;
  /** That it ended meanwhile, and when. */
  raced: string | null;
  isSending: boolean;
  cancel: () => void;
  end: (reason: string) => void;
}

export function EndDialog({ call, raced, isSending, cancel, end }: EndDialogProps): ReactNode {
  const dialogRef = useRef<HTMLDialogElement>(null);
  const cancelRef = useRef<HTMLButtonElement>(null);
  const [reason, setReason] = useState("");
  useModal(dialogRef);
  useEffect(() => cancelRef.current?.focus(), []);
  return (
    <dialog ref={dialogRef} className="end-dialog" aria-labelledby="end-title" onClose={cancel}>
      <form
        method="dialog"
        onSubmit={(event) => {
          event.preventDefault();
          if (reason.trim() && !isSending) end(reason.trim());
        }}
      >
        <h2 id="end-title">End the call with {callerOf(call)}?</h2>
        {raced ? <p role="status">{raced} Nothing is left to end.</p> : <p>The caller is cut off at once. Your name and reason are kept in the audit log.</p>}
        <label>
          Reason
          <input id="end-reason" value={reason} maxLength={500} required autoComplete="off" onChange={(event) => setReason(event.target.value)} />
        </label>
        <div className="buttons">
          <button type="button" ref={cancelRef} onClick={cancel}>
            Cancel
          </button>
          <button type="submit" className="danger" disabled={isSending || raced !== null || !reason.trim()}>
            End the call
          </button>
        </div>
      </form>
    </dialog>
  );
}
