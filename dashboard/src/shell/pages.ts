/** The pages there are: their addresses, their names in the menu, and what each needs. All but the board load when asked for. */

import { type ComponentType, lazy } from "react";
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
  /** The board has none here: it stands without what surrounds the others, and is there at once. */
  View?: ComponentType<PageProps>;
}

const HistoryPage = lazy(async () => ({ default: (await import("../history/history-page.tsx")).HistoryPage }));
const RecordPage = lazy(async () => ({ default: (await import("../record/record-page.tsx")).RecordPage }));
const UsagePage = lazy(async () => ({ default: (await import("../usage/usage-page.tsx")).UsagePage }));
const IntegrationsPage = lazy(async () => ({ default: (await import("../integrations/integrations-page.tsx")).IntegrationsPage }));
const TruthPage = lazy(async () => ({ default: (await import("../truth/truth-page.tsx")).TruthPage }));
const AlarmsPage = lazy(async () => ({ default: (await import("../alarms/alarms-page.tsx")).AlarmsPage }));
const SetupPage = lazy(async () => ({ default: (await import("../setup/setup-page.tsx")).SetupPage }));
const PeoplePage = lazy(async () => ({ default: (await import("../people/people-page.tsx")).PeoplePage }));
const AuditPage = lazy(async () => ({ default: (await import("../audit/audit-page.tsx")).AuditPage }));

export const PAGES: readonly Page[] = [
  { path: "/", name: "Board", inMenu: true, scope: "live:read" },
  { path: "/calls", name: "History", inMenu: true, scope: "calls:read", View: HistoryPage },
  { path: "/calls/", name: "Call", inMenu: false, scope: "calls:read", View: RecordPage },
  { path: "/usage", name: "Usage", inMenu: true, scope: "usage:read", View: UsagePage },
  { path: "/integrations", name: "Integrations", inMenu: true, scope: "integrations:read", View: IntegrationsPage },
  { path: "/truth", name: "Truth", inMenu: true, scope: "calls:read", View: TruthPage },
  { path: "/alarms", name: "Alarms", inMenu: true, scope: "alarms:read", View: AlarmsPage },
  { path: "/setup", name: "Set-up", inMenu: true, scope: "organization:read", View: SetupPage },
  { path: "/people", name: "People", inMenu: true, scope: "members:read", View: PeoplePage },
  { path: "/audit", name: "Audit", inMenu: true, scope: "audit:read", View: AuditPage },
];

export function pageAt(path: string): Page | undefined {
  return PAGES.find((each) => path === each.path || (each.path !== "/" && each.path.endsWith("/") && path.startsWith(each.path)));
}

/** Those of the menu that whoever looks may open. */
export const pagesFor = ({ scopes }: PermittedOrganization): readonly Page[] => PAGES.filter((page) => page.inMenu && scopes.includes(page.scope));
