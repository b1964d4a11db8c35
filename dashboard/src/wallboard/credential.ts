/** The link's token: read from behind the hash, which no server sees, and taken out of the address at once. */

const KEY = "wallboard-token";

/**
 * The token of this tab, from the address or from before; null for a board that goes by the session. An address that names
 * an organization comes from the board of somebody who is signed in: a token from before does not stand in its way.
 */
export function takeToken(): string | null {
  const params = new URLSearchParams(location.hash.replace(/^#\??/, ""));
  const told = params.get("token");
  if (told === null && params.has("organization")) dropToken();
  if (told === null) return sessionStorage.getItem(KEY);
  sessionStorage.setItem(KEY, told);
  history.replaceState(null, "", location.pathname);
  return told;
}

/** Forgets a token that opens nothing any more. */
export function dropToken(): void {
  sessionStorage.removeItem(KEY);
}

export function linkOf(origin: string, token: string): string {
  return `${origin}/wallboard#token=${encodeURIComponent(token)}`;
}
