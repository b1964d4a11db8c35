/** What somebody asked to be sent again, and how far that is. */

import type { ReactNode } from "react";
import type { Paged } from "../api/pages.ts";
import { At, Cell, Moment, More, Part, Records, State } from "../admin/parts.tsx";
import { Shown } from "../shell/states.tsx";
import { counted } from "../calls/format.ts";
import type { Integration, Replay } from "./api.ts";

export function Replays({ replays, endpoints, now }: { replays: Paged<Replay>; endpoints: readonly Integration[]; now: number }): ReactNode {
  const names = new Map(endpoints.map((each) => [each.id, each.name]));
  return (
    <Part id="replays" title="Sent again">
      <Shown of={replays} what="what was asked to be sent again">
        {(list) =>
          list.length === 0 ? (
            <p className="note">Nobody asked for anything to be sent again.</p>
          ) : (
            <Records caption="Requests to send again" columns={["Asked", "By", "Endpoint", "What", "State"]}>
              {list.map((each) => (
                <tr key={each.id} data-replay={each.id}>
                  <Cell of="Asked">
                    <Moment at={each.created_at} now={now} />
                  </Cell>
                  <Cell of="By">{each.requested_by}</Cell>
                  <Cell of="Endpoint">{names.get(each.integration_id) ?? "removed endpoint"}</Cell>
                  <Cell of="What">
                    {each.delivery_id ? (
                      "one delivery"
                    ) : (
                      <span>
                        <At at={each.since} /> to <At at={each.until} />
                      </span>
                    )}
                  </Cell>
                  <Cell of="State">
                    {each.status === "pending" ? <State tone="wait">under way</State> : <State tone="good">sent again: {counted(each.deliveries ?? 0, "delivery", "deliveries")}</State>}
                  </Cell>
                </tr>
              ))}
            </Records>
          )
        }
      </Shown>
      <More of={replays} />
    </Part>
  );
}
