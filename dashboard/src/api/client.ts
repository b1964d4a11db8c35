/** The one way to the REST API: JSON in and out, faults as problem documents (RFC 9457), always with a timeout. */

const TIMEOUT_MS = 15_000;

interface ProblemDocument {
  type?: string;
  title?: string;
  detail?: string;
  status?: number;
  errors?: { at: string; detail: string }[];
  provider_message?: string | null;
  provider_status?: number | null;
}

/** The API answered with a fault. `message` is fit to be shown. */
export class Problem extends Error {
  override readonly name = "Problem";

  constructor(
    readonly status: number,
    readonly document: ProblemDocument,
  ) {
    super(Problem.words(status, document));
  }

  /** The last part of the problem's type, such as `conflict`. */
  get kind(): string {
    return this.document.type?.split(":").at(-1) ?? "unknown";
  }

  private static words(status: number, { detail, title, errors, provider_message }: ProblemDocument): string {
    const said = [detail ?? title ?? `The server answered ${status}.`];
    if (errors?.length) said.push(errors.map((each) => each.detail).join("; "));
    if (provider_message) said.push(`It said: ${provider_message}`);
    return said.join(" ");
  }
}

/** Nobody is signed in any more: nothing is of use until somebody is. */
export class SignedOut extends Error {
  override readonly name = "SignedOut";

  constructor() {
    super("Your session has ended: sign in again.");
  }
}

/** No answer came: what became of a change is not known. */
export class Unreachable extends Error {
  override readonly name = "Unreachable";

  constructor() {
    super("The server cannot be reached.");
  }
}

export interface Asked {
  method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  body?: unknown;
  query?: Readonly<Record<string, string | number | boolean | null | undefined>>;
  /** Makes the change safe to repeat: the same key has one effect. */
  idempotencyKey?: string;
  /** The `etag` of what the change starts from: it is refused (412) once that is another. */
  ifMatch?: string | undefined;
  signal?: AbortSignal | undefined;
  /** A key in place of the session: the cookie is not sent, and its end signs nobody out. */
  bearer?: string | undefined;
}

/** Why something came to nothing, fit to be shown. */
export const faultOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const signedOutListeners = new Set<() => void>();

/** Calls `told` whenever an answer says that the session is over; returns how to stop. */
export function onSignedOut(told: () => void): () => void {
  signedOutListeners.add(told);
  return () => signedOutListeners.delete(told);
}

/** Asks the API. Raises SignedOut, Problem or Unreachable; an aborted `signal` raises its own reason. */
export async function api<T>(path: string, asked: Asked = {}): Promise<T> {
  return (await tagged<T>(path, asked)).value;
}

export interface Tagged<T> {
  value: T;
  /** The name of this state of it, for `ifMatch`. */
  etag: string | undefined;
}

/** As `api`, with the name of the state that was answered. */
export async function tagged<T>(path: string, asked: Asked = {}): Promise<Tagged<T>> {
  const answer = await answerOf(path, asked);
  if (answer.status === 401) {
    if (!asked.bearer) for (const told of signedOutListeners) told();
    throw new SignedOut();
  }
  if (!answer.ok) throw new Problem(answer.status, await documentOf(answer));
  const etag = answer.headers.get("etag") ?? undefined;
  return { value: (answer.status === 204 ? undefined : await answer.json()) as T, etag };
}

/** The path of something of an organization's; parts are escaped. */
export function organizationPath(organizationId: string, ...parts: string[]): string {
  return ["/v1/organizations", organizationId, ...parts].map((part, at) => (at ? encodeURIComponent(part) : part)).join("/");
}

async function answerOf(path: string, { method = "GET", body, query, idempotencyKey, ifMatch, signal, bearer }: Asked): Promise<Response> {
  const headers: Record<string, string> = { accept: "application/json" };
  if (body !== undefined) headers["content-type"] = "application/json";
  if (idempotencyKey) headers["idempotency-key"] = idempotencyKey;
  if (ifMatch) headers["if-match"] = ifMatch;
  if (bearer) headers["authorization"] = `Bearer ${bearer}`;
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  try {
    return await fetch(withQuery(path, query), {
      method,
      headers,
      credentials: bearer ? "omit" : "same-origin",
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Unreachable();
  }
}

function withQuery(path: string, query: Asked["query"]): string {
  const told = Object.entries(query ?? {}).filter(([, value]) => value !== null && value !== undefined);
  if (told.length === 0) return path;
  return `${path}?${new URLSearchParams(told.map(([name, value]) => [name, String(value)]))}`;
}

async function documentOf(answer: Response): Promise<ProblemDocument> {
  try {
    return (await answer.json()) as ProblemDocument;
  } catch {
    return {};
  }
}
