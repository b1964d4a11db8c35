/** How far calls were held against the provider's own list, and what that brought in. */

import type { ReactNode } from "react";
import type { Paged } from "../api/pages.ts";
import { At, CallLink, Cell, Moment, More, Part, Records, State } from "../admin/parts.tsx";
import { type Read, valueOf } from "../api/reading.ts";
import { Empty, Shown } from "../shell/states.tsx";
import { counted, words } from "../calls/format.ts";
import type { Reconciliations, Repair } from "./api.ts";
import { lagMs, lagWords, repairWords } from "./measures.ts";

export interface ReconciliationProps {
  told: Read<Reconciliations>;
  repairs: Paged<Repair>;
  now: number;
  openCall: (callId: string) => void;
}

export function ReconciliationPart({ told, repairs, now, openCall }: ReconciliationProps): ReactNode {
  const isReconciled = (valueOf(told.reading)?.state ?? null) !== null;
  return (
    <Part id="reconciliation" title="Reconciliation" lead="Every five minutes the calls that the provider changed are compared with what webhooks told. What differs enters as a webhook would have, and is listed here for 7 days.">
      <Shown of={told} what="the reconciliation">
        {({ state, by_kind }) => (
          <>
            <Standing of={state} now={now} />
            {Object.keys(by_kind).length > 0 && (
              <p className="tags">
                {Object.entries(by_kind).map(([kind, count]) => (
                  <span key={kind} className="tag">
                    {repairWords(kind)}: {count}
                  </span>
                ))}
              </p>
            )}
          </>
        )}
      </Shown>
      <Shown of={repairs} what="what was fetched">
        {(list) =>
          list.length === 0 ? (
            // Before the first comparison nothing is known of what is missing.
            isReconciled && <Empty title="Nothing had to be fetched in 7 days.">Webhooks brought everything that the provider knows of.</Empty>
          ) : (
            <Records caption="What was fetched" columns={["Fetched", "Call", "What was missing", "Occurred", "After", ""]}>
              {list.map((each) => (
                <tr key={`${each.call_id} ${each.received_at} ${each.type}`} data-repair={each.call_id}>
                  <Cell of="Fetched">
                    <Moment at={each.received_at} now={now} />
                  </Cell>
                  <Cell of="Call">{each.call_id === null ? "–" : <CallLink id={each.call_id} />}</Cell>
                  <Cell of="What was missing">
                    {repairWords(each.repair)} <span className="note">{words(each.type)}</span>
                    {each.applied_at === null && <span className="note"> · not applied yet</span>}
                  </Cell>
                  <Cell of="Occurred">
                    <At at={each.occurred_at} />
                  </Cell>
                  <Cell of="After">{lagWords(lagMs(each))}</Cell>
                  <Cell of="">
                    {each.call_id && (
                      <button type="button" aria-label={`What arrived of ${each.call_id}`} onClick={() => openCall(each.call_id ?? "")}>
                        What arrived
                      </button>
                    )}
                  </Cell>
                </tr>
              ))}
            </Records>
          )
        }
      </Shown>
      <More of={repairs} />
    </Part>
  );
}

function Standing({ of, now }: { of: Reconciliations["state"]; now: number }): ReactNode {
  if (of === null) {
    return (
      <p>
        <State tone="off">Never reconciled yet.</State> <span className="note">The first comparison comes within five minutes of VAPI&apos;s key being set.</span>
      </p>
    );
  }
  return (
    <p id="reconciled">
      {of.error === null ? (
        <State tone="good">
          Reconciled up to <At at={of.reconciled_to} />
        </State>
      ) : (
        <>
          <State tone="bad">
            Failing since <At at={of.failing_since} />
          </State>{" "}
          {of.error}; it goes on from <At at={of.reconciled_to} />.
        </>
      )}{" "}
      <span className="note">
        Looked <Moment at={of.attempted_at} now={now} />, {counted(of.repairs, "repair")} of all time
        {of.repaired_at && (
          <>
            , the last <Moment at={of.repaired_at} now={now} />
          </>
        )}
        .
      </span>
    </p>
  );
}
