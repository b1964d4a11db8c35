/** The page of an invitation's link: sign in as the person who was invited, then accept. The token stays in the fragment. */

import { attempt, Fault, openSession, requireIssuer, send } from "./accounts.js";

const SECTIONS = ["checking", "empty", "expired", "sign-in", "accept", "refused", "done"];

const byId = (id) => document.getElementById(id);
const issuer = byId("invitation").dataset;
const link = new URLSearchParams(location.hash.slice(1));
const token = link.get("token");
const expires = new Date(link.get("expires") ?? NaN);

function show(name) {
  for (const each of SECTIONS) byId(each).hidden = each !== name;
  byId("invitation").ariaBusy = String(name === "checking");
  // Where the keyboard and a screen reader go on.
  byId(name).querySelector("h1").focus();
}

/** Goes on with whoever is signed in, else asks who that is. */
async function identify() {
  const { status, told } = await send("GET", "/v1/session");
  const email = status === 200 ? told.user?.email : null;
  if (!email) {
    requireIssuer(issuer);
    show("sign-in");
    return;
  }
  byId("person").textContent = byId("refused-person").textContent = email;
  show("accept");
}

async function signIn(how) {
  await openSession(issuer, how, { email: byId("email").value, password: byId("password").value });
  byId("password").value = "";
  await identify();
}

async function accept() {
  const { status, told } = await send("POST", "/v1/invitations/accept", { body: { token } });
  if (status === 200) show("done");
  else if (status === 404) show("refused");
  else if (status === 401) await identify();
  else throw new Fault(told?.detail ?? "That did not work.");
}

async function signOut() {
  await send("POST", "/logout");
  await identify();
}

byId("credentials").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(() => signIn(event.submitter?.value ?? "token"));
});
byId("retry").addEventListener("click", () => location.reload());
byId("accept-now").addEventListener("click", () => attempt(accept));
byId("another").addEventListener("click", () => attempt(signOut));
byId("refused-another").addEventListener("click", () => attempt(signOut));
// Another link opened in the same tab changes nothing but the fragment.
addEventListener("hashchange", () => location.reload());

if (!token) show("empty");
else if (expires < Date.now()) {
  byId("expired-at").textContent = expires.toLocaleString();
  show("expired");
} else {
  await attempt(identify);
  // Nobody could be asked: nothing was shown yet.
  byId("retry").hidden = byId("checking").hidden;
  byId("moment").hidden = true;
}
