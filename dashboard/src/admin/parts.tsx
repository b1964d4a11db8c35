/** What the pages of set-up and proof are made of. */

import type { ReactNode } from "react";
import { useTimeZone } from "../live/time-zone.ts";
import { Link } from "../shell/link.tsx";
import { linkTo } from "../shell/router.ts";
import type { Paged } from "../api/pages.ts";
import { ago, dateTime } from "./times.ts";
import "./admin.css";

export function AdminPage({ id, title, lead, actions, children }: { id: string; title: string; lead: string; actions?: ReactNode; children: ReactNode }): ReactNode {
  return (
    <div className="admin" id={id}>
      <div className="admin-head">
        <div>
          <h2 className="admin-title">{title}</h2>
          <p className="note">{lead}</p>
        </div>
        {actions && <div className="buttons">{actions}</div>}
      </div>
      {children}
    </div>
  );
}

export function Part({ title, lead, actions, children, id }: { title: string; lead?: ReactNode; actions?: ReactNode; children: ReactNode; id: string }): ReactNode {
  return (
    <section className="admin-part" aria-labelledby={`${id}-title`} id={id}>
      <div className="part-head">
        <div>
          <h3 id={`${id}-title`}>{title}</h3>
          {lead && <p className="note">{lead}</p>}
        </div>
        {actions && <div className="buttons">{actions}</div>}
      </div>
      {children}
    </section>
  );
}

/** A moment: how long ago, and when. */
export function Moment({ at, now }: { at: string | null; now: number }): ReactNode {
  const timeZone = useTimeZone();
  return at === null ? <>–</> : (
    <time dateTime={at} title={dateTime(at, timeZone)}>
      {ago(at, now)}
    </time>
  );
}

export function At({ at }: { at: string | null }): ReactNode {
  const timeZone = useTimeZone();
  return at === null ? <>–</> : <time dateTime={at}>{dateTime(at, timeZone)}</time>;
}

/** A call, by its id: leads to its page. */
export function CallLink({ id }: { id: string }): ReactNode {
  return <Link href={linkTo(`/calls/${encodeURIComponent(id)}`)}>{id}</Link>;
}

export type Tone = "good" | "wait" | "bad" | "info" | "off";

const SHAPES: Readonly<Record<Tone, string>> = { good: "●", wait: "◐", bad: "▲", info: "◆", off: "○" };

/** A state in a word, a shape and a colour. */
export function State({ tone, children }: { tone: Tone; children: ReactNode }): ReactNode {
  return (
    <span className="state" data-tone={tone}>
      <span aria-hidden="true">{SHAPES[tone]} </span>
      {children}
    </span>
  );
}

/** A table whose rows are cards on a phone: each cell carries its column's name. */
export function Records({ caption, columns, children }: { caption: string; columns: readonly string[]; children: ReactNode }): ReactNode {
  return (
    <div className="records-scroll">
      <table className="records">
        <caption className="hidden">{caption}</caption>
        <thead>
          <tr>
            {columns.map((each) => (
              <th key={each} scope="col">
                {each}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}

export function Cell({ of, children }: { of: string; children: ReactNode }): ReactNode {
  return <td data-of={of}>{children}</td>;
}

export function More({ of: { more, isMore, moreFault }, label = "Show more" }: { of: Pick<Paged<unknown>, "more" | "isMore" | "moreFault">; label?: string }): ReactNode {
  return (
    <>
      {moreFault && (
        <p className="fault" role="alert">
          {moreFault}
        </p>
      )}
      {more && (
        <p className="more">
          <button type="button" disabled={isMore} onClick={more}>
            {isMore ? "Loading…" : label}
          </button>
        </p>
      )}
    </>
  );
}
