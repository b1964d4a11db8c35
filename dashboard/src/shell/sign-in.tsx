/** What is shown to whoever is not signed in. The page goes on by itself once they are: the session is asked for again. */

import type { ReactNode } from "react";

export function SignIn(): ReactNode {
  return (
    <main className="sign-in">
      <p className="kicker">Call supervisor</p>
      <h1>You are not signed in</h1>
      <p>
        Sign in with the link that <code>make up</code> printed, or the one in your invitation. This page goes on by itself once you have.
      </p>
    </main>
  );
}
