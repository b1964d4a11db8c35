/** Saved views: what narrows, orders and lays out the table, under a name. Kept by this browser, per organization. */

import { FILTER_NAMES } from "./filters.ts";

export interface View {
  name: string;
  /** As it stands in the address. */
  query: string;
}

/** What of the address makes a view: not which organization or call is looked at. */
export const VIEW_PARAMS = [...FILTER_NAMES, "sort", "columns"] as const;

/** Until somebody changes them. The first nine open by their number. */
export const FIRST_VIEWS: readonly View[] = [
  { name: "Live now", query: "show=live" },
  { name: "Waiting", query: "show=waiting" },
  { name: "Stale", query: "show=stale" },
  { name: "Refused", query: "show=refused" },
  { name: "With an alarm", query: "show=alarm" },
];

export const NAME_LENGTH = 40;
const MOST = 50;

/** The address' part that makes a view, in one spelling. */
export function viewQuery(params: URLSearchParams): string {
  const told = new URLSearchParams();
  for (const name of VIEW_PARAMS) {
    const value = params.get(name);
    if (value) told.set(name, value);
  }
  return told.toString();
}

/** Puts a view in the place of what the address says of one. */
export function openView(params: URLSearchParams, query: string): void {
  const wanted = new URLSearchParams(query);
  for (const name of VIEW_PARAMS) {
    const value = wanted.get(name);
    if (value) params.set(name, value);
    else params.delete(name);
  }
}

/** With `view` as the last, or in the place of the one of its name. */
export function withView(views: readonly View[], view: View): readonly View[] {
  const at = views.findIndex((each) => each.name === view.name);
  return at < 0 ? [...views, view].slice(-MOST) : views.with(at, view);
}

/** What was kept; null when that is nothing that can be read. */
export function readViews(text: string | null): readonly View[] | null {
  try {
    const told: unknown = JSON.parse(text ?? "null");
    return Array.isArray(told) && told.every(isView) ? told.slice(0, MOST) : null;
  } catch {
    return null;
  }
}

function isView(told: unknown): told is View {
  return typeof told === "object" && told !== null && "name" in told && typeof told.name === "string" && "query" in told && typeof told.query === "string";
}
