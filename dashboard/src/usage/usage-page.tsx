/** What was used of a billing period, what it comes to, and what happens at its limits. */

import type { ReactNode } from "react";
import { organizationPath } from "../api/client.ts";
import { useReading, valueOf } from "../api/reading.ts";
import { dayAndTime } from "../calls/days.ts";
import type { PageProps } from "../shell/pages.ts";
import { Formula } from "../shell/formula.tsx";
import { replaceParams, useRoute } from "../shell/router.ts";
import { Shown } from "../shell/states.tsx";
import { BillingPanel } from "./billing.tsx";
import { CapPanel } from "./cap.tsx";
import { DaysPanel } from "./days.tsx";
import { EntriesPanel } from "./entries-panel.tsx";
import { SharesPanel } from "./shares-panel.tsx";
import { figuresOf, type Figure, markWords, type Periods, periodWords, type Usage } from "./usage.ts";
import "./usage.css";

export function UsagePage({ organization }: PageProps): ReactNode {
  const id = organization.organization_id;
  const date = useRoute().params.get("date");
  const usage = useReading<Usage>(organizationPath(id, "usage"), { date });
  const periods = valueOf(useReading<Periods>(organizationPath(id, "usage", "periods")).reading)?.periods ?? [];
  const may = (scope: string): boolean => organization.scopes.includes(scope);
  return (
    <Shown of={usage} what="the usage">
      {(told) => (
        <>
          <header className="usage-head">
            <label>
              <span className="hidden">Billing period</span>
              <select id="period" value={date ?? ""} onChange={(event) => replaceParams((params) => (event.target.value ? params.set("date", event.target.value) : params.delete("date")))}>
                <option value="">{date === null ? periodWords(told.period_start, told.period_end, told.time_zone) : "The period that goes on"}</option>
                {periods.slice(1).map((each) => (
                  <option key={each.period_start} value={dayOf(each.period_start, told.time_zone)}>
                    {periodWords(each.period_start, each.period_end, told.time_zone)}
                  </option>
                ))}
                {date !== null && !periods.some((each) => dayOf(each.period_start, told.time_zone) === date) && <option value={date}>{periodWords(told.period_start, told.period_end, told.time_zone)}</option>}
              </select>
            </label>
            <p className="note">
              As of {dayAndTime(told.as_of, told.time_zone)} ({told.time_zone}); at most a minute old.
            </p>
          </header>
          <ul className="usage-figures">
            {figuresOf(told).map((figure) => (
              <FigureView key={figure.key} figure={figure} />
            ))}
          </ul>
          <Limit usage={told} />
          <SharesPanel organizationId={id} date={date} totalOf={told.as_of} reloadTotal={usage.reload} />
          <DaysPanel usage={told} />
          {may("organization:read") && <CapPanel organizationId={id} mayWrite={may("organization:write")} />}
          {may("billing:read") && <BillingPanel organizationId={id} mayPay={may("billing:write")} />}
          <EntriesPanel organizationId={id} date={date} />
        </>
      )}
    </Shown>
  );
}

const dayOf = (time: string, timeZone: string): string => new Date(time).toLocaleDateString("sv", { timeZone });

function FigureView({ figure }: { figure: Figure }): ReactNode {
  return (
    <li className="panel usage-figure" data-figure={figure.key}>
      <span className="note">{figure.name}</span>
      <strong>{figure.value}</strong>
      <span className="note">{figure.under}</span>
      <Formula of={figure} />
    </li>
  );
}

function Limit({ usage }: { usage: Usage }): ReactNode {
  const { limit_minutes: limit, used_share: share } = usage;
  return (
    <section className="panel usage-part" aria-labelledby="limit-title">
      <h2 id="limit-title">Alerts at 80 and 100 %</h2>
      {limit === null || share === null ? (
        <p className="note">There is no limit that alerts could be of: the plan includes no minutes, and no cap is set below.</p>
      ) : (
        <>
          <meter min={0} max={1} high={0.8} value={Math.min(1, share)} aria-label={`${Math.round(share * 100)} % used`} />
          <ul className="marks">
            {usage.marks.map((mark) => (
              <li key={mark.percent} data-reached={mark.reached}>
                <strong>
                  {mark.reached ? "▲" : "○"} {mark.percent} %
                </strong>{" "}
                {markWords(mark, usage.time_zone)}
              </li>
            ))}
          </ul>
        </>
      )}
    </section>
  );
}
