/** What is shown to whoever is not signed in. The page goes on by itself once they are: the session is asked for again. */

import { type ReactNode, useEffect, useRef } from "react";
import { SignInAgain } from "./sign-in-again.tsx";

/** `hasLeft`: somebody signed out here, and nothing of what they saw is left. */
export function SignIn({ hasLeft = false }: { hasLeft?: boolean }): ReactNode {
  const headingRef = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = hasLeft ? "Signed out · Call supervisor" : "Sign in · Call supervisor";
    if (hasLeft) headingRef.current?.focus();
  }, [hasLeft]);
  return (
    <main className="sign-in" id={hasLeft ? "signed-out" : "sign-in"}>
      <p className="kicker">Call supervisor</p>
      <h1 ref={headingRef} tabIndex={-1}>
        {hasLeft ? "You have signed out" : "You are not signed in"}
      </h1>
      <p>{hasLeft && "Your session has ended on the server, and nothing of what it showed is left on this page. "}
        Sign in with the link that <code>make up</code> printed, or the one in your invitation. This page goes on by itself once you have.
      </p>
      <SignInAgain />
    </main>
  );
}
