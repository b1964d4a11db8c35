/** What went out about the call: to customers' own systems, and to people. */

import { type ReactNode, useState } from "react";
import { useNow } from "../admin/now.ts";
import { type Paged, usePages } from "../api/pages.ts";
import { At, Cell, More, Records, State } from "../admin/parts.tsx";
import { useReading, valueOf } from "../api/reading.ts";
import { Shown } from "../shell/states.tsx";
import { organizationPath } from "../api/client.ts";
import type { PermittedOrganization } from "../api/session.ts";
import type { Delivery, Integration } from "../integrations/api.ts";
import { DeliveryAttempts } from "../integrations/deliveries.tsx";
import { deliveryState, lastAnswer } from "../integrations/health.ts";
import { isUnderWay, type Message, messageState, momentOfMessage, reasonOf } from "./messages.ts";
import type { CallRecord } from "./record.ts";
import "../integrations/integrations.css";

const LIVELY_MS = 4_000;
/** Settled deliveries change only when somebody sends them again, from here or elsewhere. */
const CALM_MS = 30_000;

const CHANNELS = { sms: "text message", email: "email" } as const;

export function WentOut({ call, organization }: { call: CallRecord; organization: PermittedOrganization }): ReactNode {
  const may = (scope: string): boolean => organization.scopes.includes(scope);
  return (
    <section className="panel" aria-labelledby="went-out-title" id="went-out">
      <h2 id="went-out-title">What went out</h2>
      {may("integrations:read") ? (
        <>
          <CallDeliveries call={call} organizationId={organization.organization_id} mayReplay={may("deliveries:replay")} />
          <CallMessages call={call} organizationId={organization.organization_id} />
        </>
      ) : (
        <p className="note">
          Webhooks and messages about the call take the right <code>integrations:read</code>: a supervisor's.
        </p>
      )}
    </section>
  );
}

/** What the API lists about the call, read again while something of it is under way. */
function useAboutCall<P extends { next_cursor: string | null }, T extends { id: string }>(path: string, call: CallRecord, items: (page: P) => readonly T[], isOpen: (item: T) => boolean): Paged<T> {
  const [isLively, setIsLively] = useState(true);
  const query = { call_id: call.call_id, limit: 25 };
  const list = usePages<P, T>(path, query, { items, id: (each) => each.id }, isLively ? LIVELY_MS : CALM_MS);
  const isAwaited = call.processed_at === null && call.report !== "missing";
  const wanted = isAwaited || list.reading.status !== "ready" || list.reading.value.some(isOpen);
  if (wanted !== isLively) setIsLively(wanted);
  return list;
}

interface PartProps {
  call: CallRecord;
  organizationId: string;
}

function CallDeliveries({ call, organizationId, mayReplay }: PartProps & { mayReplay: boolean }): ReactNode {
  const now = useNow();
  const [openId, setOpenId] = useState<string | null>(null);
  // What was asked for again goes out a moment later, and stands as it was until then.
  const [asked, setAsked] = useState<{ id: string; attempts: number } | null>(null);
  const endpoints = useReading<{ integrations: Integration[] }>(organizationPath(organizationId, "integrations"), { limit: 200 });
  const names = new Map(valueOf(endpoints.reading)?.integrations.map((each) => [each.id, each.name]));
  const deliveries = useAboutCall<{ deliveries: Delivery[]; next_cursor: string | null }, Delivery>(
    organizationPath(organizationId, "deliveries"),
    call,
    (page) => page.deliveries,
    (each) => each.status === "pending" || (each.id === asked?.id && each.attempts === asked.attempts),
  );
  const endpointName = (id: string): string => names.get(id) ?? (endpoints.reading.status === "ready" ? "removed endpoint" : "…");
  return (
    <div className="went-out-part" id="call-deliveries">
      <h3>Webhooks</h3>
      <Shown of={deliveries} what="the webhooks about the call">
        {(list) =>
          list.length === 0 ? (
            <p className="note">No endpoint was told of this call. Endpoints that are subscribed to calls are told once the report is processed.</p>
          ) : (
            <Records caption="Webhooks about the call" columns={["Event", "Endpoint", "State", "Attempts", "Last answer", ""]}>
              {list.map((each) => {
                const { tone, words } = deliveryState(each, now);
                const isOpen = each.id === openId;
                const changed = (): void => {
                  setAsked({ id: each.id, attempts: each.attempts });
                  deliveries.reload();
                };
                return [
                  <tr key={each.id} data-delivery={each.id} data-open={isOpen}>
                    <Cell of="Event">{each.event}</Cell>
                    <Cell of="Endpoint">{endpointName(each.integration_id)}</Cell>
                    <Cell of="State">
                      <State tone={tone}>{words}</State>
                    </Cell>
                    <Cell of="Attempts">{each.attempts}</Cell>
                    <Cell of="Last answer">
                      <LastAnswer delivery={each} />
                    </Cell>
                    <Cell of="">
                      <button type="button" aria-expanded={isOpen} aria-label={`${isOpen ? "Close" : "Open"} ${each.event} to ${endpointName(each.integration_id)}`} onClick={() => setOpenId(isOpen ? null : each.id)}>
                        {isOpen ? "Close" : "Open"}
                      </button>
                    </Cell>
                  </tr>,
                  isOpen && (
                    <tr key={`${each.id} open`} data-open>
                      <td colSpan={6}>
                        <DeliveryAttempts {...{ organizationId, mayReplay, changed }} id={each.id} version={`${each.status}:${each.attempts}`} />
                      </td>
                    </tr>
                  ),
                ];
              })}
            </Records>
          )
        }
      </Shown>
      <More of={deliveries} />
    </div>
  );
}

function LastAnswer({ delivery }: { delivery: Delivery }): ReactNode {
  const last = lastAnswer(delivery);
  if (last === null) return "not tried yet";
  return (
    <span>
      <span className={last.isGood ? undefined : "warn"}>{last.words}</span>
      <br />
      <span className="note">
        <At at={delivery.last_attempt_at} />
      </span>
    </span>
  );
}

function CallMessages({ call, organizationId }: PartProps): ReactNode {
  const messages = useAboutCall<{ notifications: Message[]; next_cursor: string | null }, Message>(
    organizationPath(organizationId, "notifications"),
    call,
    (page) => page.notifications,
    isUnderWay,
  );
  return (
    <div className="went-out-part" id="call-messages">
      <h3>Messages to people</h3>
      <Shown of={messages} what="the messages about the call">
        {(list) =>
          list.length === 0 ? (
            <p className="note">Nobody was written to about this call. Recipients of finished calls are told once the report is processed.</p>
          ) : (
            <Records caption="Messages about the call" columns={["To", "By", "State", "When"]}>
              {list.map((each) => (
                <MessageRow key={each.id} message={each} />
              ))}
            </Records>
          )
        }
      </Shown>
      <More of={messages} />
    </div>
  );
}

function MessageRow({ message }: { message: Message }): ReactNode {
  const { tone, words } = messageState(message);
  const reason = reasonOf(message);
  return (
    <tr data-message={message.id} data-status={message.status}>
      <Cell of="To">{message.recipient}</Cell>
      <Cell of="By">
        <span>
          {CHANNELS[message.channel]}
          {message.resend_of !== null && <span className="note"> · sent again</span>}
        </span>
      </Cell>
      <Cell of="State">
        <span>
          <State tone={tone}>{words}</State>
          {reason !== null && (
            <>
              <br />
              <span className="note">{reason}</span>
            </>
          )}
        </span>
      </Cell>
      <Cell of="When">
        <At at={momentOfMessage(message)} />
      </Cell>
    </tr>
  );
}
