/** What was sent to the endpoints, newest first, and every attempt of it. */

import { type ReactNode, useState } from "react";
import { organizationPath } from "../api/client.ts";
import { useChange } from "../api/change.ts";
import type { Paged } from "../api/pages.ts";
import { At, CallLink, Cell, Moment, More, Part, Records, State } from "../admin/parts.tsx";
import { useReading } from "../api/reading.ts";
import { Empty, Fault, Shown } from "../shell/states.tsx";
import { counted } from "../calls/format.ts";
import { replaceParams } from "../shell/router.ts";
import { type Delivery, type DeliveryDetail, type Integration, replayDelivery } from "./api.ts";
import { deliveryState } from "./health.ts";

export interface DeliveriesProps {
  organizationId: string;
  endpoints: readonly Integration[];
  deliveries: Paged<Delivery>;
  params: URLSearchParams;
  mayReplay: boolean;
  now: number;
  changed: () => void;
}

const put = (name: string, value: string): void => replaceParams((params) => (value ? params.set(name, value) : params.delete(name)));

export function Deliveries({ organizationId, endpoints, deliveries, params, mayReplay, now, changed }: DeliveriesProps): ReactNode {
  const names = new Map(endpoints.map((each) => [each.id, each.name]));
  const openId = params.get("delivery");
  const isFiltered = params.has("endpoint") || params.has("status");
  return (
    <Part
      id="deliveries"
      title="Deliveries"
      lead="Of the last 7 days, newest first."
      actions={
        <div className="filters">
          <label>
            Endpoint
            <select value={params.get("endpoint") ?? ""} onChange={(event) => put("endpoint", event.target.value)}>
              <option value="">all</option>
              {endpoints.map((each) => (
                <option key={each.id} value={each.id}>
                  {each.name}
                </option>
              ))}
            </select>
          </label>
          <label>
            State
            <select value={params.get("status") ?? ""} onChange={(event) => put("status", event.target.value)}>
              <option value="">any</option>
              <option value="pending">on its way</option>
              <option value="delivered">delivered</option>
              <option value="exhausted">given up</option>
              <option value="cancelled">not sent</option>
            </select>
          </label>
        </div>
      }
    >
      <Shown of={deliveries} what="the deliveries">
        {(list) =>
          list.length === 0 ? (
            isFiltered ? (
              <Empty title="No delivery matches the filter.">Choose another endpoint or state above.</Empty>
            ) : (
              <Empty title="Nothing was delivered in the last 7 days.">A delivery is made when an event happens that an endpoint is told of.</Empty>
            )
          ) : (
            <Records caption="Deliveries" columns={["When", "Event", "Endpoint", "State", "Attempts", ""]}>
              {list.map((each) => (
                <Row key={each.id} delivery={each} endpoint={names.get(each.integration_id) ?? "removed endpoint"} isOpen={each.id === openId} {...{ organizationId, mayReplay, now, changed }} />
              ))}
            </Records>
          )
        }
      </Shown>
      <More of={deliveries} />
    </Part>
  );
}

interface RowProps {
  organizationId: string;
  delivery: Delivery;
  endpoint: string;
  isOpen: boolean;
  mayReplay: boolean;
  now: number;
  changed: () => void;
}

function Row({ organizationId, delivery, endpoint, isOpen, mayReplay, now, changed }: RowProps): ReactNode {
  const { tone, words } = deliveryState(delivery, now);
  return (
    <>
      <tr data-delivery={delivery.id} data-open={isOpen}>
        <Cell of="When">
          <Moment at={delivery.created_at} now={now} />
        </Cell>
        <Cell of="Event">
          <span>
            {delivery.event}
            {delivery.call_id && (
              <>
                <br />
                <span className="note">
                  <CallLink id={delivery.call_id} />
                </span>
              </>
            )}
          </span>
        </Cell>
        <Cell of="Endpoint">{endpoint}</Cell>
        <Cell of="State">
          <State tone={tone}>{words}</State>
        </Cell>
        <Cell of="Attempts">{delivery.attempts}</Cell>
        <Cell of="">
          <button type="button" aria-expanded={isOpen} aria-label={`${isOpen ? "Close" : "Open"} ${delivery.event} ${delivery.id}`} onClick={() => put("delivery", isOpen ? "" : delivery.id)}>
            {isOpen ? "Close" : "Open"}
          </button>
        </Cell>
      </tr>
      {isOpen && (
        <tr data-open>
          <td colSpan={6}>
            <DeliveryAttempts {...{ organizationId, mayReplay, changed }} id={delivery.id} version={`${delivery.status}:${delivery.attempts}`} />
          </td>
        </tr>
      )}
    </>
  );
}

export interface DeliveryAttemptsProps {
  organizationId: string;
  id: string;
  /** Read again when it changes. */
  version: string;
  mayReplay: boolean;
  changed: () => void;
}

/** One delivery with every attempt and its body, and how to send it again. */
export function DeliveryAttempts({ organizationId, id, version, mayReplay, changed }: DeliveryAttemptsProps): ReactNode {
  const change = useChange();
  const [asked, setAsked] = useState(false);
  const detail = useReading<DeliveryDetail>(organizationPath(organizationId, "deliveries", id), {}, { version });
  const again = async (): Promise<void> => {
    if (!(await change.run("again", (key) => replayDelivery(organizationId, id, key), id))) return;
    setAsked(true);
    changed();
  };
  return (
    <div className="delivery" id="delivery">
      <Fault of={change} />
      <Shown of={detail} what="the delivery">
        {({ tried, payload }) => (
          <>
            {tried.length === 0 && <p className="note">It was not tried yet.</p>}
            <ol className="attempts">
              {tried.map((each) => (
                <li key={each.attempt}>
                  <p>
                    <State tone={each.response_status !== null && each.response_status < 300 ? "good" : "bad"}>{each.response_status === null ? "no answer" : `answered ${each.response_status}`}</State>{" "}
                    <span className="note">
                      attempt {each.attempt}, <At at={each.attempted_at} />, {each.duration_ms} ms
                    </span>
                  </p>
                  {each.error && <p className="warn">{each.error}</p>}
                  {each.response_excerpt && <pre className="excerpt">{each.response_excerpt}</pre>}
                </li>
              ))}
            </ol>
            <details>
              <summary>Body, as it is signed and sent ({counted(payload.length, "character")})</summary>
              <pre className="excerpt">{payload}</pre>
            </details>
          </>
        )}
      </Shown>
      {mayReplay && (
        <p className="buttons">
          <button type="button" disabled={change.isBusy} onClick={() => void again()}>
            Send it again
          </button>
          <span role="status" className="note">
            {asked && "Asked for: it goes out within seconds."}
          </span>
        </p>
      )}
    </div>
  );
}
