/** The account at the payment provider: how it stands, what happened, and the ways to pay. */

import type { ReactNode } from "react";
import { api, organizationPath } from "../api/client.ts";
import { useChange } from "../api/change.ts";
import { useReading } from "../api/reading.ts";
import { dayAndTime } from "../calls/days.ts";
import { minutes, words } from "../calls/format.ts";
import { useTimeZone } from "../live/time-zone.ts";
import { Fault, Shown } from "../shell/states.tsx";
import { minutesWords, money, type OfferedPlan } from "./usage.ts";

interface BillingAccount {
  plan_id: string | null;
  subscription_status: string | null;
  problem: { code: string; detail: string; to_do: string } | null;
  is_known_to_provider: boolean;
}

interface BillingEvents {
  events: { id: number; event: string; occurred_at: string; seconds: number | null; amount_micros: number | null; currency: string | null }[];
  next_cursor: string | null;
}

export interface BillingPanelProps {
  organizationId: string;
  mayPay: boolean;
}

export function BillingPanel({ organizationId, mayPay }: BillingPanelProps): ReactNode {
  const account = useReading<BillingAccount>(organizationPath(organizationId, "billing"));
  const plans = useReading<{ plans: OfferedPlan[] }>(organizationPath(organizationId, "plans"));
  const events = useReading<BillingEvents>(organizationPath(organizationId, "billing", "events"), { limit: 20 });
  const change = useChange();
  const timeZone = useTimeZone();
  const leave = (place: "portal" | "checkout", body?: unknown): void => {
    const path = organizationPath(organizationId, "billing", place);
    void change.run([place, body], async (key) => {
      const { url } = await api<{ url: string }>(path, { method: "POST", body, idempotencyKey: key });
      location.assign(url);
    });
  };
  return (
    <section className="panel usage-part" aria-labelledby="billing-title">
      <h2 id="billing-title">Billing</h2>
      <Shown of={account} what="the account">
        {(told) => (
          <>
            <p>
              Subscription: <strong>{told.subscription_status ? words(told.subscription_status) : "none"}</strong>
            </p>
            {told.problem && (
              <p className="fault">
                ▲ {told.problem.detail} {told.problem.to_do}
              </p>
            )}
            {mayPay && told.is_known_to_provider && (
              <p className="buttons">
                <button type="button" disabled={change.isBusy} onClick={() => leave("portal")}>
                  Invoices and ways to pay
                </button>
              </p>
            )}
            <Fault of={change} />
            <Shown of={plans} what="the plans">
              {({ plans: offered }) => (
                <ul className="plans">
                  {offered.map((plan) => (
                    <li key={plan.plan_id} data-current={plan.plan_id === told.plan_id}>
                      <strong>{plan.name}</strong>
                      <span>{money(plan.monthly_price_micros, plan.currency)} a month</span>
                      <span className="note">
                        {minutesWords(plan.included_minutes)} included, then {money(plan.minute_price_micros, plan.currency)} a minute
                      </span>
                      {plan.plan_id === told.plan_id ? (
                        <span className="note">✓ your plan</span>
                      ) : (
                        mayPay && (
                          <button type="button" disabled={change.isBusy} onClick={() => leave("checkout", { plan_id: plan.plan_id })}>
                            Subscribe to {plan.name}
                          </button>
                        )
                      )}
                    </li>
                  ))}
                </ul>
              )}
            </Shown>
          </>
        )}
      </Shown>
      <Shown of={events} what="what happened to the account">
        {(told) =>
          told.events.length === 0 ? (
            <p className="note">Nothing has happened to the account yet: periods that close and invoices stand here.</p>
          ) : (
            <ul className="marks">
              {told.events.map((each) => (
                <li key={each.id}>
                  {dayAndTime(each.occurred_at, timeZone)} · {words(each.event)}
                  {each.seconds !== null && ` · ${minutes(each.seconds)}`}
                  {each.amount_micros !== null && ` · ${money(each.amount_micros, each.currency)}`}
                </li>
              ))}
            </ul>
          )
        }
      </Shown>
    </section>
  );
}
