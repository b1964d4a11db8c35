/** Whether assistants and numbers at VAPI still point at us, and putting right what does not. */

import type { ReactNode } from "react";
import { organizationPath } from "../api/client.ts";
import { useChange } from "../api/change.ts";
import { Cell, Moment, Part, Records, State } from "../admin/parts.tsx";
import { useReading } from "../api/reading.ts";
import { Fault, Shown } from "../shell/states.tsx";
import { counted } from "../calls/format.ts";
import { lookAtWiring, repairFinding, type Wiring, type WiringFinding } from "./api.ts";
import { aspectWords } from "./words.ts";

const EVERY_MS = 10_000;

export function WiringPart({ organizationId, mayRepair, now }: { organizationId: string; mayRepair: boolean; now: number }): ReactNode {
  const wiring = useReading<Wiring>(organizationPath(organizationId, "provider-wiring"), { limit: 50 }, { everyMs: EVERY_MS });
  const change = useChange();
  const run = async (asked: unknown, make: (key: string) => Promise<unknown>, of?: string): Promise<void> => {
    await change.run(asked, make, of);
    wiring.reload();
  };
  return (
    <Part
      id="wiring"
      title="Provider wiring"
      lead="Every night each assistant and number at VAPI is read and held against what it must be."
      actions={
        mayRepair && (
          <button type="button" disabled={change.isBusy} onClick={() => void run("look", () => lookAtWiring(organizationId))}>
            Look now
          </button>
        )
      }
    >
      <Fault of={change} />
      <Shown of={wiring} what="the provider wiring">
        {(told) => (
          <>
            <Verdict of={told} now={now} />
            {told.findings.length > 0 && (
              <Records caption="Differences" columns={["Record", "What differs", "Found", "State", ""]}>
                {told.findings.map((each) => (
                  <Finding key={each.id} finding={each} now={now}>
                    {mayRepair && each.closed_at === null && !each.aspects.includes("absent") && (
                      <button type="button" disabled={change.isBusy} aria-label={`Repair ${each.kind} ${each.provider_id}`} onClick={() => void run("repair", (key) => repairFinding(organizationId, each.id, key), each.id)}>
                        Repair
                      </button>
                    )}
                  </Finding>
                ))}
              </Records>
            )}
          </>
        )}
      </Shown>
    </Part>
  );
}

function Verdict({ of: { check, open }, now }: { of: Wiring; now: number }): ReactNode {
  if (check === null) {
    return (
      <p>
        <State tone="off">Never looked at yet.</State> <span className="note">The first look is tonight; or look now.</span>
      </p>
    );
  }
  const looked = (
    <span className="note">
      {counted(check.records, "record")} looked at <Moment at={check.checked_at} now={now} />.
    </span>
  );
  if (check.error !== null) {
    return (
      <p>
        <State tone="bad">The last look failed.</State> {check.error} {looked}
      </p>
    );
  }
  return <p>{open === 0 ? <State tone="good">Everything points at us.</State> : <State tone="bad">{counted(open, "record differs", "records differ")}.</State>} {looked}</p>;
}

const CLOSED: Readonly<Record<string, string>> = { repaired: "repaired, and read back", agrees: "agrees again without us", removed: "removed here" };

function Finding({ finding, now, children }: { finding: WiringFinding; now: number; children: ReactNode }): ReactNode {
  const isOpen = finding.closed_at === null;
  return (
    <tr data-finding={finding.id}>
      <Cell of="Record">
        <span>
          {finding.kind === "assistant" ? "Assistant" : "Number"}
          <br />
          <span className="note">{finding.provider_id}</span>
        </span>
      </Cell>
      <Cell of="What differs">
        <ul>
          {finding.aspects.map((each) => (
            <li key={each}>{aspectWords(each)}</li>
          ))}
        </ul>
      </Cell>
      <Cell of="Found">
        <Moment at={finding.found_at} now={now} />
      </Cell>
      <Cell of="State">
        <span>
          {isOpen ? finding.repair_asked_at ? <State tone="wait">repair under way</State> : <State tone="bad">open</State> : <State tone="good">{CLOSED[finding.closed_as ?? ""] ?? "closed"}</State>}
          {!isOpen && (
            <span className="note">
              {" "}
              <Moment at={finding.closed_at} now={now} />
            </span>
          )}
          {finding.repair_error && <p className="warn">{finding.repair_error}</p>}
        </span>
      </Cell>
      <Cell of="">{children}</Cell>
    </tr>
  );
}
