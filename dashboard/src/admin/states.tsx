/** What stands where something cannot be shown yet, or not at all. */

import type { ReactNode } from "react";
import type { Read } from "./reading.ts";

export interface ShownProps<T> {
  of: Read<T>;
  what: string;
  children: (value: T) => ReactNode;
  /** What stands in the place of something that is not there. */
  missing?: ReactNode;
}

/** Shows what was read, or why it is not there: never a zero in the place of what is not known. */
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
              Not up to date: {reading.fault}{" "}
              <button type="button" onClick={reload}>
                Retry
              </button>
            </p>
          )}
          {children(reading.value)}
        </>
      );
  }
}

export function Skeleton({ what }: { what: string }): ReactNode {
  return (
    <div className="admin-skeleton" role="status">
      <span className="hidden">Loading {what}…</span>
      <i />
      <i />
      <i />
    </div>
  );
}

function Failed({ what, fault, retry }: { what: string; fault: string; retry: () => void }): ReactNode {
  return (
    <div className="empty" role="alert">
      <p>
        <strong>{what[0]?.toUpperCase()}{what.slice(1)} could not be read.</strong>
      </p>
      <p>{fault}</p>
      <p>
        <button type="button" onClick={retry}>
          Retry
        </button>
      </p>
    </div>
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
