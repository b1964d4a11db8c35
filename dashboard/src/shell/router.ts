/**
 * Where the page is: `#/calls?state=ringing`. Behind the hash, because a filter may hold a caller's number,
 * which has no place in a server's log.
 */

import { useSyncExternalStore } from "react";

export interface Route {
  path: string;
  params: URLSearchParams;
}

let held: { hash: string; route: Route } | undefined;

export function routeOf(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#/, "").split("?", 2);
  return { path: path.startsWith("/") ? path : "/", params: new URLSearchParams(query) };
}

export function addressOf(path: string, params: URLSearchParams): string {
  const query = params.toString();
  return `#${path}${query ? `?${query}` : ""}`;
}

function current(): Route {
  if (held?.hash !== location.hash) held = { hash: location.hash, route: routeOf(location.hash) };
  return held.route;
}

function subscribe(told: () => void): () => void {
  addEventListener("hashchange", told);
  addEventListener("popstate", told);
  return () => {
    removeEventListener("hashchange", told);
    removeEventListener("popstate", told);
  };
}

export function useRoute(): Route {
  return useSyncExternalStore(subscribe, current);
}

/** Changes what the address says without a step back for it, as fits a filter that is being typed. */
export function replaceParams(change: (params: URLSearchParams) => void): void {
  const { path, params } = current();
  const next = new URLSearchParams(params);
  change(next);
  history.replaceState(null, "", addressOf(path, next));
  dispatchEvent(new PopStateEvent("popstate"));
}

export function navigate(path: string, params = new URLSearchParams()): void {
  location.hash = addressOf(path, params);
}
