/** What the pages that take a password share: asking, signing in, and one thing at a time. */

const ANSWER_MS = 10_000;

/** Something to tell the person in these words. */
export class Fault extends Error {}

export async function send(method, url, { body, headers = {} } = {}) {
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

/** Throws where nobody can sign in, before anybody is asked for a password. */
export function requireIssuer({ authUrl }) {
  if (!authUrl) throw new Fault("People cannot sign in here yet: the operator has to set SUPABASE_URL.");
}

/** With a password to the issuer alone; what it gives becomes a session that no script can read. */
export async function openSession({ authUrl, authKey }, how, credentials) {
  const place = how === "signup" ? "signup" : "token?grant_type=password";
  const headers = authKey ? { apikey: authKey } : {};
  const { status, told } = await send("POST", `${authUrl}/auth/v1/${place}`, { body: credentials, headers });
  if (status !== 200) throw new Fault(told?.msg ?? told?.error_description ?? "That did not work.");
  if (!told.access_token) throw new Fault("Confirm the mail that was sent to you, then sign in here.");
  const opened = await send("POST", "/v1/sessions", { headers: { Authorization: `Bearer ${told.access_token}` } });
  if (opened.status !== 201) throw new Fault(opened.told?.detail ?? "That did not work.");
}

/** One thing at a time, its buttons out of reach meanwhile; what fails is told and can be tried again. */
export async function attempt(act) {
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

function tell(message) {
  const fault = document.getElementById("fault");
  fault.textContent = message;
  fault.hidden = !message;
}
