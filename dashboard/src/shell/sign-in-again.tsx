/** Signing in again without leaving the page: the link is followed in the background, the view stays as it is. */

import { type ReactNode, useState } from "react";
import { loadSession } from "../api/session.ts";

/** The page that takes a password, and alone may talk to the place that checks it. */
export const PASSWORD_PAGE = "/sign-in";

const TIMEOUT_MS = 15_000;

/** The token of a sign-in link, or the token itself; null of what is neither. */
export function tokenOf(text: string): string | null {
  const told = text.trim();
  const token = /[?&]token=([^&#\s]+)/.exec(told)?.[1] ?? told;
  return /^[\w.~-]{8,512}$/.test(token) ? token : null;
}

export function SignInAgain(): ReactNode {
  const [text, setText] = useState("");
  const [fault, setFault] = useState<string | null>(null);
  const [isAsking, setIsAsking] = useState(false);
  const signIn = async (): Promise<void> => {
    const token = tokenOf(text);
    if (token === null) {
      setFault("That is not a sign-in link.");
      return;
    }
    setIsAsking(true);
    setFault(null);
    try {
      const answer = await fetch(`/login?token=${encodeURIComponent(token)}`, { headers: { accept: "application/json" }, redirect: "manual", signal: AbortSignal.timeout(TIMEOUT_MS) });
      // A redirection that is not followed tells nothing but that it was one: the link was good.
      if (answer.type === "opaqueredirect") await loadSession();
      else setFault(answer.status === 401 ? "The link is not known, was used, or ran out." : `The server answered ${answer.status}.`);
    } catch {
      setFault("The server cannot be reached.");
    } finally {
      setIsAsking(false);
    }
  };
  return (
    <form
      className="sign-in-again"
      onSubmit={(event) => {
        event.preventDefault();
        if (!isAsking) void signIn();
      }}
    >
      <label>
        Sign-in link <input type="password" autoComplete="off" value={text} onChange={(event) => setText(event.target.value)} />
      </label>
      <button type="submit" disabled={isAsking || !text.trim()}>
        Sign in
      </button>
      {fault && <span role="alert">{fault}</span>}
    </form>
  );
}
