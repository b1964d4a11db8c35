/** The page of signing in with a password: the session it opens shows the board. */

import { attempt, openSession, requireIssuer } from "./accounts.js";

const byId = (id) => document.getElementById(id);
const issuer = byId("sign-in").dataset;

byId("credentials").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(async () => {
    await openSession(issuer, "token", { email: byId("email").value, password: byId("password").value });
    location.replace("/");
  });
});
attempt(async () => requireIssuer(issuer));
