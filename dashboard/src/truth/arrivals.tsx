/** What arrived of one call: when each thing occurred, when we received it, and how often. */

import { type ReactNode, useState } from "react";
import { organizationPath } from "../api/client.ts";
import { At, Cell, Part, Records } from "../admin/parts.tsx";
import { useReading } from "../api/reading.ts";
import { Empty, Shown } from "../shell/states.tsx";
import type { TimelineEntry } from "../call/detail.ts";
import { words } from "../calls/format.ts";
import { lagMs, lagWords } from "./measures.ts";

export interface ArrivalsProps {
  organizationId: string;
  callId: string | null;
  openCall: (callId: string | null) => void;
}

export function Arrivals({ organizationId, callId, openCall }: ArrivalsProps): ReactNode {
  return (
    <Part id="arrivals" title="What arrived of a call" lead="By VAPI's id of the call.">
      <Search key={callId} callId={callId} openCall={openCall} />
      {callId !== null && <Timeline key={callId} organizationId={organizationId} callId={callId} />}
    </Part>
  );
}

function Search({ callId, openCall }: Pick<ArrivalsProps, "callId" | "openCall">): ReactNode {
  const [text, setText] = useState(callId ?? "");
  return (
    <form
      className="filters"
      onSubmit={(event) => {
        event.preventDefault();
        openCall(text.trim() || null);
      }}
    >
      <label>
        Call
        <input value={text} size={40} maxLength={500} autoComplete="off" spellCheck={false} onChange={(event) => setText(event.target.value)} />
      </label>
      <button type="submit">Show</button>
    </form>
  );
}

function Timeline({ organizationId, callId }: { organizationId: string; callId: string }): ReactNode {
  const call = useReading<{ timeline: TimelineEntry[] }>(organizationPath(organizationId, "calls", callId));
  return (
    <Shown of={call} what="the call" missing={<Empty title="There is no such call.">Copy the whole of its id, as VAPI or the history tells it.</Empty>}>
      {({ timeline }) => (
        <Records caption={`What arrived of ${callId}`} columns={["What", "From", "Occurred", "Received", "Lag", "Times"]}>
          {timeline.map((each, at) => (
            // Entries have no id, and none is ever taken away.
            // oxlint-disable-next-line react/no-array-index-key
            <tr key={at}>
              <Cell of="What">
                {words(each.type)}
                {each.status && `: ${words(each.status)}`}
              </Cell>
              <Cell of="From">{each.provider === "internal" ? "ourselves" : each.provider}</Cell>
              <Cell of="Occurred">
                <At at={each.occurred_at} />
              </Cell>
              <Cell of="Received">
                <At at={each.received_at} />
              </Cell>
              <Cell of="Lag">{lagWords(lagMs(each))}</Cell>
              <Cell of="Times">{each.deliveries}</Cell>
            </tr>
          ))}
        </Records>
      )}
    </Shown>
  );
}
