/** What is shown to whoever is not signed in. The page goes on by itself once they are: the session is asked for again. */

import { type ReactNode, useEffect, useRef } from "react";
import { isLocal, takesPasswords } from "./deployment.ts";
import { PASSWORD_PAGE, SignInAgain } from "./sign-in-again.tsx";

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
      {hasLeft && <p>Your session has ended on the server, and nothing of what it showed is left on this page.</p>}
      {takesPasswords() && (
        <p>
          <a className="button primary" href={PASSWORD_PAGE}>
            Sign in with your password
          </a>
        </p>
      )}
      <SignInAgain />
      <p className="note">
        {isLocal() ? (
          <>
            <code>make up</code> printed the link, which works again and again.
          </>
        ) : (
          "A link works once: whoever runs this service for you can make another. To become a member, ask an owner or admin of your organization to invite you."
        )}{" "}
        This page goes on by itself once you have signed in, in another tab too.
      </p>
    </main>
  );
}
