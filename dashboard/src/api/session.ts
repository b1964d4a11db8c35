/** Who is signed in, and what they may do where. */

import { useSyncExternalStore } from "react";
import { api, onSignedOut, SignedOut } from "./client.ts";

export interface PermittedOrganization {
  organization_id: string;
  name: string;
  time_zone: string;
  role: string | null;
  scopes: string[];
}

export interface Session {
  user: { user_id: string; email: string | null; name: string | null } | null;
  organizations: PermittedOrganization[];
}

/** `expired` keeps the session that was: the page stays where it is while somebody signs in anew. */
export type SessionState =
  | { status: "loading" }
  | { status: "unreachable" }
  | { status: "signed-out" }
  /** Somebody signed out, here or in another tab. */
  | { status: "left" }
  | { status: "signed-in"; session: Session }
  | { status: "expired"; session: Session };

const RETRY_MS = 3_000;

let state: SessionState = { status: "loading" };
let retry: ReturnType<typeof setTimeout> | undefined;
const listeners = new Set<() => void>();

function become(next: SessionState): void {
  state = next;
  for (const told of listeners) told();
}

/** Asks who is signed in, and again every few seconds for as long as nobody is. */
export async function loadSession(): Promise<void> {
  clearTimeout(retry);
  const held = "session" in state ? state.session : undefined;
  try {
    become({ status: "signed-in", session: await api<Session>("/v1/session") });
    return;
  } catch (error) {
    if (error instanceof SignedOut) {
      if (state.status !== "left") become(held ? { status: "expired", session: held } : { status: "signed-out" });
    } else if (!held) become({ status: "unreachable" });
  }
  retry = setTimeout(() => void loadSession(), RETRY_MS);
}

onSignedOut(() => {
  if (state.status !== "signed-in") return;
  become({ status: "expired", session: state.session });
  retry = setTimeout(() => void loadSession(), RETRY_MS);
});

/** A browser's tabs have one session: what ends it in one ends it in all. */
const tabs = new BroadcastChannel("session");
tabs.onmessage = () => leave();

/** Ends the session on the server, then forgets what it showed. Raises what `api` raises; then nothing has changed. */
export async function signOut(): Promise<void> {
  await api("/logout", { method: "POST" });
  // A channel goes to this origin alone.
  // oxlint-disable-next-line unicorn/require-post-message-target-origin
  tabs.postMessage("left");
  leave();
}

function leave(): void {
  // What narrowed the page may hold a caller's number.
  history.replaceState(null, "", "/");
  become({ status: "left" });
  clearTimeout(retry);
  retry = setTimeout(() => void loadSession(), RETRY_MS);
}

export function useSession(): SessionState {
  return useSyncExternalStore(
    (told) => {
      listeners.add(told);
      return () => listeners.delete(told);
    },
    () => state,
  );
}
