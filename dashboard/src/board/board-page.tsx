/** The live board. */

import type { ReactNode } from "react";
import type { PermittedOrganization, Session } from "../api/session.ts";
import { useLive } from "../live/store.ts";

export interface BoardPageProps {
  organization: PermittedOrganization;
  session: Session;
  isExpired: boolean;
}

export function BoardPage({ organization }: BoardPageProps): ReactNode {
  const { board } = useLive();
  return (
    <main>
      <h1>{board.organization?.name ?? organization.name}</h1>
      <p>{board.counters?.live ?? "–"} live</p>
    </main>
  );
}
