/** A dialog that is open for as long as it is drawn; afterwards the focus is again where it was. */

import { type RefObject, useEffect } from "react";

export function useModal(ref: RefObject<HTMLDialogElement | null>): void {
  useEffect(() => {
    const before = document.activeElement;
    ref.current?.showModal();
    // A dialog that is taken away, unlike one that is closed, gives no focus back.
    return () => {
      if (before instanceof HTMLElement) before.focus();
    };
  }, [ref]);
}
