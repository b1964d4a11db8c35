/** The page of an invitation's link: sign in as the person who was invited, then accept. The token stays in the fragment. */

const ANSWER_MS = 10_000;
const SECTIONS = ["checking", "empty", "expired", "sign-in", "accept", "refused", "done"];

const byId = (id) => document.getElementById(id);
const { authUrl, authKey } = byId("invitation").dataset;
const link = new URLSearchParams(location.hash.slice(1));
const token = link.get("token");
const expires = new Date(link.get("expires") ?? NaN);

/** Something to tell the person in these words. */
class Fault extends Error {}

function show(name) {
  for (const each of SECTIONS) byId(each).hidden = each !== name;
  byId("invitation").ariaBusy = String(name === "checking");
  // Where the keyboard and a screen reader go on.
  byId(name).querySelector("h1").focus();
}

function tell(message) {
  byId("fault").textContent = message;
  byId("fault").hidden = !message;
}

async function send(method, url, { body, headers = {} } = {}) {
  const request = { method, headers, signal: AbortSignal.timeout(ANSWER_MS) };
  if (body !== undefined) {
    request.body = JSON.stringify(body);
    request.headers = { "Content-Type": "application/json", ...headers };
  }
  let answer;
  try {
    answer = await fetch(url, request);
  } catch {
    throw new Fault("No answer came. Look at your connection and try again.");
  }
  if (answer.status === 429) throw new Fault("Too many attempts. Wait a moment and try again.");
  if (answer.status >= 500) throw new Fault("The server cannot do it now. Try again shortly.");
  return { status: answer.status, told: answer.status === 204 ? null : await answer.json().catch(() => null) };
}

/** Goes on with whoever is signed in, else asks who that is. */
async function identify() {
  const { status, told } = await send("GET", "/v1/session");
  const email = status === 200 ? told.user?.email : null;
  if (!email) {
    if (!authUrl) throw new Fault("People cannot sign in here yet: the operator has to set SUPABASE_URL.");
    show("sign-in");
    return;
  }
  byId("person").textContent = byId("refused-person").textContent = email;
  show("accept");
}

/** With a password to the issuer alone; what it gives becomes a session that no script can read. */
async function signIn(how) {
  const place = how === "signup" ? "signup" : "token?grant_type=password";
  const { status, told } = await send("POST", `${authUrl}/auth/v1/${place}`, {
    body: { email: byId("email").value, password: byId("password").value },
    headers: authKey ? { apikey: authKey } : {},
  });
  if (status !== 200) throw new Fault(told?.msg ?? told?.error_description ?? "That did not work.");
  byId("password").value = "";
  if (!told.access_token) throw new Fault("Confirm the mail that was sent to you, then sign in here.");
  const opened = await send("POST", "/v1/sessions", { headers: { Authorization: `Bearer ${told.access_token}` } });
  if (opened.status !== 201) throw new Fault(opened.told?.detail ?? "That did not work.");
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

/** One thing at a time, its buttons out of reach meanwhile; what fails is told and can be tried again. */
async function attempt(act) {
  const buttons = document.querySelectorAll("button");
  buttons.forEach((button) => (button.disabled = true));
  tell("");
  try {
    await act();
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    tell(error.message);
  } finally {
    buttons.forEach((button) => (button.disabled = false));
  }
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
