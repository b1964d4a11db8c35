/** The account at the payment provider: how it stands, what happened, and the ways to pay. */

import { type ReactNode, useState } from "react";
import { api, organizationPath } from "../api/client.ts";
import { useResource } from "../api/resource.ts";
import { dayAndTime } from "../calls/days.ts";
import { minutes, words } from "../calls/format.ts";
import { useTimeZone } from "../live/time-zone.ts";
import { Loaded } from "../shell/states.tsx";
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
  isExpired: boolean;
  mayPay: boolean;
}

export function BillingPanel({ organizationId, isExpired, mayPay }: BillingPanelProps): ReactNode {
  const account = useResource<BillingAccount>(organizationPath(organizationId, "billing"), {}, isExpired);
  const plans = useResource<{ plans: OfferedPlan[] }>(organizationPath(organizationId, "plans"), {}, isExpired);
  const events = useResource<BillingEvents>(organizationPath(organizationId, "billing", "events"), { limit: 20 }, isExpired);
  const [fault, setFault] = useState<string | null>(null);
  const timeZone = useTimeZone();
  const leave = (place: "portal" | "checkout", body?: unknown): void => {
    setFault(null);
    api<{ url: string }>(organizationPath(organizationId, "billing", place), { method: "POST", body, idempotencyKey: crypto.randomUUID() }).then(
      ({ url }) => location.assign(url),
      (error: unknown) => setFault(error instanceof Error ? error.message : String(error)),
    );
  };
  return (
    <section className="panel usage-part" aria-labelledby="billing-title">
      <h2 id="billing-title">Billing</h2>
      <Loaded resource={account} what="The account">
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
                <button type="button" onClick={() => leave("portal")}>
                  Invoices and ways to pay
                </button>
              </p>
            )}
            {fault && (
              <p className="fault" role="alert">
                {fault}
              </p>
            )}
            <Loaded resource={plans} what="The plans">
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
                          <button type="button" onClick={() => leave("checkout", { plan_id: plan.plan_id })}>
                            Subscribe to {plan.name}
                          </button>
                        )
                      )}
                    </li>
                  ))}
                </ul>
              )}
            </Loaded>
          </>
        )}
      </Loaded>
      <Loaded resource={events} what="What happened to the account">
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
      </Loaded>
    </section>
  );
}
