/** Dialogs: a form, a question before something that cannot be taken back, and a secret that is shown once. */

import { type ReactNode, useEffect, useId, useRef, useState } from "react";
import type { Change } from "../api/change.ts";
import { useModal } from "../shell/modal.ts";
import { Fault } from "../shell/states.tsx";

export interface DialogProps {
  title: string;
  close: () => void;
  children: ReactNode;
}

export function Dialog({ title, close, children }: DialogProps): ReactNode {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  useModal(ref);
  return (
    <dialog ref={ref} className="admin-dialog" aria-labelledby={id} onClose={close}>
      <h2 id={id}>{title}</h2>
      {children}
    </dialog>
  );
}

export interface FormDialogProps extends DialogProps {
  submit: string;
  change: Change;
  isDanger?: boolean;
  cancel?: string;
  /** What to do; the dialog is closed by whoever opened it, once it is done. */
  onSubmit: () => void;
}

export function FormDialog({ title, close, children, submit, change, isDanger = false, cancel = "Cancel", onSubmit }: FormDialogProps): ReactNode {
  const cancelRef = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (isDanger) cancelRef.current?.focus();
  }, [isDanger]);
  return (
    <Dialog title={title} close={close}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (!change.isBusy) onSubmit();
        }}
      >
        {children}
        <Fault of={change} />
        <div className="buttons">
          <button type="button" ref={cancelRef} onClick={close}>
            {cancel}
          </button>
          <button type="submit" className={isDanger ? "danger" : "primary"} disabled={change.isBusy}>
            {submit}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

/** A secret, as long as the dialog is open: whoever opened it holds it no longer than that. */
export function SecretDialog({ title, secret, close, children }: DialogProps & { secret: string }): ReactNode {
  const [told, setTold] = useState("");
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(secret);
      setTold("Copied.");
    } catch {
      setTold("It could not be copied: select it and copy it by hand.");
    }
  };
  return (
    <Dialog title={title} close={close}>
      <p>{children}</p>
      <p className="secret" id="secret">
        {secret}
      </p>
      <p className="warn">It is shown this once. Keep it now: nobody can show it again.</p>
      <div className="buttons">
        <span className="note" role="status">
          {told}
        </span>
        <button type="button" onClick={() => void copy()}>
          Copy
        </button>
        <button type="button" className="primary" onClick={close}>
          I have kept it
        </button>
      </div>
    </Dialog>
  );
}
