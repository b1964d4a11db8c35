/** What any part of a page shows while it has nothing to show. Never a zero in the place of what is not known. */

import type { ReactNode } from "react";
import { Problem } from "../api/client.ts";
import type { Resource } from "../api/resource.ts";
import type { PermittedOrganization } from "../api/session.ts";
import { words } from "../calls/format.ts";

export function Skeleton({ lines = 6 }: { lines?: number }): ReactNode {
  return (
    <div className="waiting" role="status" aria-label="Loading">
      {Array.from({ length: lines }, (_, at) => (
        <span key={at} />
      ))}
    </div>
  );
}

export function Failed({ what, fault, retry }: { what: string; fault: Error; retry: () => void }): ReactNode {
  const isForbidden = fault instanceof Problem && fault.status === 403;
  return (
    <div className="fault" role="alert">
      <p>
        <strong>{what} cannot be shown.</strong> {fault.message}
      </p>
      {!isForbidden && (
        <button type="button" onClick={retry}>
          Retry
        </button>
      )}
    </div>
  );
}

export function NotPermitted({ organization, scope }: { organization: PermittedOrganization; scope: string }): ReactNode {
  const role = organization.role ? `Your role in ${organization.name} is ${words(organization.role)}, which` : "What you signed in with";
  return (
    <div className="empty">
      <h2>Not permitted</h2>
      <p>
        {role} does not have the right <code>{scope}</code>. An owner or admin can give it to you.
      </p>
    </div>
  );
}

/** One answer of the API in whichever state it is; what was shown stays while it is asked for again. */
export function Loaded<T>({ resource, what, children }: { resource: Resource<T>; what: string; children: (data: T) => ReactNode }): ReactNode {
  const { data, fault, reload } = resource;
  return (
    <>
      {fault && <Failed what={what} fault={fault} retry={reload} />}
      {data === null ? !fault && <Skeleton /> : children(data)}
    </>
  );
}
