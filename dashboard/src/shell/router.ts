/**
 * Where the page is: `/calls#?state=ringing`. What narrows a page stands behind the hash, because a filter may hold a
 * caller's number, which has no place in a server's log.
 */

import { useSyncExternalStore } from "react";

export interface Route {
  path: string;
  params: URLSearchParams;
}

let held: { address: string; route: Route } | undefined;

export function routeOf(path: string, hash: string): Route {
  const at = hash.indexOf("?");
  return { path: path.replace(/(?<=.)\/+$/, ""), params: new URLSearchParams(at < 0 ? "" : hash.slice(at + 1)) };
}

export function addressOf(path: string, params: URLSearchParams): string {
  const query = params.toString();
  return `${path}${query ? `#?${query}` : ""}`;
}

/** Another page's address: of what narrows this one only the organization goes along. */
export function linkTo(path: string, params: Readonly<Record<string, string>> = {}): string {
  const organization = current().params.get("organization");
  return addressOf(path, new URLSearchParams({ ...(organization ? { organization } : {}), ...params }));
}

function current(): Route {
  const address = location.pathname + location.hash;
  if (held?.address !== address) held = { address, route: routeOf(location.pathname, location.hash) };
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

/** Goes to an address of ours, as `linkTo` makes them; a step back leads here again. */
export function navigate(address: string): void {
  history.pushState(null, "", address);
  dispatchEvent(new PopStateEvent("popstate"));
  scrollTo(0, 0);
}
