/** The pages there are: their addresses, their names in the menu, and what each needs. All but the board load when asked for. */

import type { ComponentType } from "react";
import type { PermittedOrganization, Session } from "../api/session.ts";

export interface PageProps {
  organization: PermittedOrganization;
  session: Session;
  /** The session is over: what is shown stays, and nothing is asked for until somebody has signed in again. */
  isExpired: boolean;
}

export interface Page {
  /** With a slash at its end it stands for everything below. */
  path: string;
  name: string;
  inMenu: boolean;
  /** What whoever looks must be permitted. */
  scope: string;
  View: ComponentType<PageProps>;
}

export const PAGES: readonly Page[] = [];

export function pageAt(path: string): Page | undefined {
  return PAGES.find((each) => (each.path.endsWith("/") ? path.startsWith(each.path) && path !== each.path : path === each.path));
}
