/** The saved views: opening, keeping under a name and taking away. */

import { type ReactNode, useState } from "react";
import { NAME_LENGTH, viewQuery } from "../calls/views.ts";
import { useRoute } from "../shell/router.ts";
import type { KeptViews } from "./kept-views.ts";

export function ViewMenu({ kept: { views, open, keep, remove } }: { kept: KeptViews }): ReactNode {
  const { params } = useRoute();
  const [name, setName] = useState("");
  const here = viewQuery(params);
  const shown = views.find((view) => view.query === here);
  return (
    <details className="drop" id="views" name="drop">
      <summary>{shown ? `View: ${shown.name}` : here ? "View: not kept" : "Views"}</summary>
      <div className="drop-body">
        <ul>
          {views.map((view, at) => (
            <li key={view.name} className="view">
              <button type="button" className="link" aria-current={view === shown} onClick={() => open(view)}>
                {view.name}
              </button>
              {at < 9 && <kbd>{at + 1}</kbd>}
              <button type="button" className="quiet" aria-label={`Remove the view ${view.name}`} onClick={() => remove(view)}>
                ×
              </button>
            </li>
          ))}
        </ul>
        <form
          onSubmit={(event) => {
            event.preventDefault();
            if (name.trim()) keep({ name: name.trim(), query: here });
            setName("");
          }}
        >
          <label>
            Keep what is shown as
            <input value={name} maxLength={NAME_LENGTH} autoComplete="off" onChange={(event) => setName(event.target.value)} />
          </label>
          <button type="submit" disabled={!name.trim()}>
            Keep
          </button>
        </form>
        <p className="note">Kept in this browser. The address holds the view: send it to share it.</p>
      </div>
    </details>
  );
}
