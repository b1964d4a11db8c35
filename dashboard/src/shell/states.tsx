/** What any part of a page shows while it cannot show what it is for. Never a zero in the place of what is not known. */

import type { ReactNode } from "react";
import type { Change } from "../api/change.ts";
import type { Read } from "../api/reading.ts";
import { neededRole, reaches, scopeWords } from "../api/scopes.ts";
import type { PermittedOrganization } from "../api/session.ts";

export interface ShownProps<T> {
  of: Read<T>;
  /** What is read, as words within a sentence. */
  what: string;
  children: (value: T) => ReactNode;
  /** What stands in the place of something that is not there. */
  missing?: ReactNode;
}

/** Shows what was read, or why it is not there; what was shown stays while it is read again. */
export function Shown<T>({ of: { reading, reload }, what, children, missing }: ShownProps<T>): ReactNode {
  switch (reading.status) {
    case "loading":
      return <Skeleton what={what} />;
    case "failed":
      return <Failed what={what} fault={reading.fault} retry={reload} />;
    case "not-permitted":
      return <p className="empty">You may not see {what}. {reading.fault}</p>;
    case "missing":
      return missing ?? <Failed what={what} fault={reading.fault} retry={reload} />;
    case "ready":
      return (
        <>
          {reading.fault && (
            <p className="fault" role="alert">
              Not up to date: {reading.fault} <Retry retry={reload} />
            </p>
          )}
          {children(reading.value)}
        </>
      );
  }
}

export function Skeleton({ what }: { what: string }): ReactNode {
  return (
    <div className="waiting" role="status">
      <span className="hidden">Loading {what}…</span>
      <i />
      <i />
      <i />
    </div>
  );
}

export function Failed({ what, fault, retry }: { what: string; fault: string; retry: () => void }): ReactNode {
  return (
    <div className="empty" role="alert">
      <p>
        <strong>
          {what[0]?.toUpperCase()}
          {what.slice(1)} could not be read.
        </strong>
      </p>
      <p>{fault}</p>
      <p>
        <Retry retry={retry} />
      </p>
    </div>
  );
}

function Retry({ retry }: { retry: () => void }): ReactNode {
  return (
    <button type="button" onClick={retry}>
      Retry
    </button>
  );
}

/** Why a change was not made. */
export function Fault({ of: { fault } }: { of: Pick<Change, "fault"> }): ReactNode {
  return fault === null ? null : (
    <p className="fault" role="alert">
      {fault}
    </p>
  );
}

export function Empty({ title, children }: { title: string; children?: ReactNode }): ReactNode {
  return (
    <div className="empty">
      <p>
        <strong>{title}</strong>
      </p>
      {children && <p>{children}</p>}
    </div>
  );
}
/** In the place of a page: what it takes, what whoever looks has, and whom to ask. `children`: where to go instead. */
export function NotPermitted({ organization, scope, children }: { organization: PermittedOrganization; scope: string; children?: ReactNode }): ReactNode {
  const { role, name } = organization;
  return (
    <div className="empty" id="not-permitted">
      <h2>This page is not open to you</h2>
      <p>
        To {scopeWords(scope)} takes {neededRole(scope)}: the right <code>{scope}</code>.{" "}
        {role === null || reaches(role, scope) ? `What you signed in with does not carry it: an owner or admin of ${name} can give you what does.` : `You are ${article(role)} ${role} of ${name}: an owner or admin can change that.`}
      </p>
      {children}
    </div>
  );
}

const article = (word: string): string => (/^[aeiou]/.test(word) ? "an" : "a");
