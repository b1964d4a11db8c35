/** What a wallboard says when it has no figures to show. */

import type { ReactNode } from "react";
import "./wallboard.css";

export function Note({ title, children, isDead = false }: { title: string; children: ReactNode; isDead?: boolean }): ReactNode {
  return (
    <main className="wall wall-note" data-state={isDead ? "dead" : "connecting"}>
      <h1>{title}</h1>
      <p role="status">{children}</p>
    </main>
  );
}
