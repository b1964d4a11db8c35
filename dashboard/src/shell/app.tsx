/** Who is signed in decides what is shown; the address decides which page. */

import { type ReactNode, useEffect, useMemo } from "react";
import { loadSession, type Session, useSession } from "../api/session.ts";
import { BoardPage } from "../board/board-page.tsx";
import { LiveContext, LiveStore } from "../live/store.ts";
import { focusMain, useHeadingFocus } from "./focus.ts";
import { Framed } from "./frame.tsx";
import { NoOrganization } from "./no-organization.tsx";
import { useRoute } from "./router.ts";
import { SignIn } from "./sign-in.tsx";
import { chosenOrganization, mayWatch } from "./organization.ts";

export function App(): ReactNode {
  const state = useSession();
  switch (state.status) {
    case "loading":
      return <p className="whole-page-note" role="status">Loading…</p>;
    case "unreachable":
      return <p className="whole-page-note" role="status">The server cannot be reached. Trying again…</p>;
    case "signed-out":
      return <SignIn />;
    case "left":
      return <SignIn hasLeft />;
    default:
      return <SignedIn session={state.session} isExpired={state.status === "expired"} />;
  }
}

function SignedIn({ session, isExpired }: { session: Session; isExpired: boolean }): ReactNode {
  const route = useRoute();
  useHeadingFocus(route.path);
  const organization = chosenOrganization(session, route.params);
  const isOpen = organization !== null && mayWatch(organization);
  const organizationId = organization?.organization_id ?? null;
  // Whoever may not watch any more may have lost more than that.
  const store = useMemo(() => (organizationId === null ? null : new LiveStore(organizationId, () => void loadSession())), [organizationId]);
  useEffect(() => {
    if (isExpired || !isOpen) return;
    store?.start();
    return () => store?.stop();
  }, [store, isExpired, isOpen]);
  if (organization === null || store === null) return <NoOrganization session={session} />;
  const View = route.path === "/" && isOpen ? BoardPage : Framed;
  return (
    <LiveContext value={store}>
      <button type="button" className="skip" onClick={focusMain}>
        Skip to the content
      </button>
      <View organization={organization} session={session} isExpired={isExpired} />
    </LiveContext>
  );
}
