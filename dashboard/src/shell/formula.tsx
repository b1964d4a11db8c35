/** How a figure is computed, told to whoever points at it or comes to it by keyboard. */

import { type ReactNode, useId } from "react";

export function Formula({ of: { name, formula } }: { of: { name: string; formula: string } }): ReactNode {
  const id = useId();
  return (
    <span className="formula">
      <button type="button" className="info" aria-label={`Formula of ${name}`} aria-describedby={id}>
        i
      </button>
      <span className="tip" role="tooltip" id={id}>
        {formula}
      </span>
    </span>
  );
}
