/** Somebody else changed the rules meanwhile: what they changed, what was asked for here, and which is to stand. */

import type { ReactNode } from "react";
import type { Change } from "../api/change.ts";
import { FormDialog } from "../admin/dialog.tsx";
import type { Conflict } from "./own-rules.ts";

export interface RulesConflictProps {
  conflict: Conflict;
  change: Change;
  /** Theirs stands; what was typed here stays where it is. */
  close: () => void;
  /** Ours is set beside what they changed. */
  again: () => void;
}

export function RulesConflict({ conflict: { wish, theirs }, change, close, again }: RulesConflictProps): ReactNode {
  const meets = theirs.some((each) => each.name === wish.name);
  return (
    <FormDialog title="The rules were changed meanwhile" submit={wish.rule === null ? "Remove it all the same" : "Save mine all the same"} cancel="Leave theirs" change={change} close={close} onSubmit={again}>
      <p>
        Nothing of yours was set yet. {meets ? <strong>They changed {wish.name} too: yours would take the place of theirs.</strong> : <>They left {wish.name} as it was: yours would be set beside their changes.</>}
      </p>
      <dl className="differences" id="their-changes">
        {theirs.map((each) => (
          <div key={each.name}>
            <dt>{each.name}</dt>
            {each.told.map((line) => (
              <dd key={line}>{line}</dd>
            ))}
          </div>
        ))}
      </dl>
      {theirs.length === 0 && <p className="note">They are by now as you had read them.</p>}
    </FormDialog>
  );
}
