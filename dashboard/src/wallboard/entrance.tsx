/** Who a wallboard is for: whom its link's token names, or whoever is signed in. */

import { type ReactNode, useCallback, useEffect, useState } from "react";
import { api, Problem, SignedOut } from "../api/client.ts";
import { loadSession, type Session, useSession } from "../api/session.ts";
import { chosenOrganization } from "../shell/organization.ts";
import { useRoute } from "../shell/router.ts";
import { SignIn } from "../shell/sign-in.tsx";
import { dropToken, takeToken } from "./credential.ts";
import { Note } from "./note.tsx";
import { Wallboard } from "./wallboard.tsx";

const RETRY_MS = 3_000;
const tokenOfTab = takeToken();

export function Entrance(): ReactNode {
  return tokenOfTab === null ? <OfSession /> : <OfToken token={tokenOfTab} />;
}

type Found = { organization_id: string; name: string } | "over" | null;

function OfToken({ token }: { token: string }): ReactNode {
  const [found, setFound] = useState<Found>(null);
  const over = useCallback(() => {
    dropToken();
    setFound("over");
  }, []);
  useEffect(() => {
    const stopped = new AbortController();
    let retry: ReturnType<typeof setTimeout> | undefined;
    const ask = async (): Promise<void> => {
      try {
        const { organizations } = await api<Session>("/v1/session", { bearer: token, signal: stopped.signal });
        setFound(organizations[0] ?? "over");
      } catch (error) {
        if (stopped.signal.aborted) return;
        if (error instanceof SignedOut || (error instanceof Problem && error.status < 500 && error.status !== 429)) over();
        else retry = setTimeout(() => void ask(), RETRY_MS);
      }
    };
    void ask();
    return () => {
      stopped.abort();
      clearTimeout(retry);
    };
  }, [token, over]);
  if (found === "over") {
    return (
      <Note title="This link is over" isDead>
        The wallboard’s link was revoked or has expired. Whoever runs the organization makes another under People, API keys.
      </Note>
    );
  }
  if (found === null) return <Note title="Wallboard">Connecting…</Note>;
  return <Wallboard organizationId={found.organization_id} name={found.name} token={token} over={over} />;
}

function OfSession(): ReactNode {
  const state = useSession();
  const { params } = useRoute();
  useEffect(() => void loadSession(), []);
  const again = useCallback(() => void loadSession(), []);
  if (state.status === "signed-out" || state.status === "expired" || state.status === "left") return <SignIn />;
  if (state.status !== "signed-in") return <Note title="Wallboard">Connecting…</Note>;
  const organization = chosenOrganization(state.session, params);
  if (organization === null) return <Note title="Wallboard">You are a member of no organization.</Note>;
  return <Wallboard organizationId={organization.organization_id} name={organization.name} token={null} over={again} />;
}
