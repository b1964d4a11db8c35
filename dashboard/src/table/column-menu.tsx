/** Which columns the table has. */

import type { ReactNode } from "react";
import { replaceParams } from "../shell/router.ts";
import { ALL_COLUMNS, ALWAYS, type Column, columnsText } from "./columns.ts";

export function ColumnMenu({ shown }: { shown: readonly Column[] }): ReactNode {
  const toggle = (key: string): void => {
    const text = columnsText(shown, key);
    replaceParams((params) => (text === null ? params.delete("columns") : params.set("columns", text)));
  };
  return (
    <details className="drop" id="columns" name="drop">
      <summary>Columns</summary>
      <div className="drop-body" role="group" aria-label="Columns">
        {ALL_COLUMNS.map(({ key, name }) => (
          <label key={key} className="check">
            <input type="checkbox" checked={shown.some((column) => column.key === key)} disabled={key === ALWAYS} onChange={() => toggle(key)} /> {name}
          </label>
        ))}
      </div>
    </details>
  );
}
