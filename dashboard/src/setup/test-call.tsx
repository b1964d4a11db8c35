/** Places one call, to see it appear on the board. */

import { type ReactNode, useState } from "react";
import { organizationPath } from "../api/client.ts";
import { useChange } from "../api/change.ts";
import { Part } from "../admin/parts.tsx";
import { useReading } from "../api/reading.ts";
import { Fault, Shown } from "../shell/states.tsx";
import { Link } from "../shell/link.tsx";
import { linkTo } from "../shell/router.ts";
import { type Assistant, type OutboundCall, type PhoneNumber, placeCall } from "./api.ts";

export function TestCallPart({ organizationId }: { organizationId: string }): ReactNode {
  const assistants = useReading<{ assistants: Assistant[] }>(organizationPath(organizationId, "assistants"), { limit: 200 });
  const numbers = useReading<{ phone_numbers: PhoneNumber[] }>(organizationPath(organizationId, "phone-numbers"), { limit: 200 });
  return (
    <Part id="test-call" title="Place a test call" lead="It is a real call: it rings, it counts and it costs. Watch it appear on the board.">
      <Shown of={numbers} what="the numbers">
        {({ phone_numbers }) => {
          const usable = phone_numbers.filter((each) => each.provider_phone_number_id !== null);
          return usable.length === 0 ? (
            <p className="note">No number is known to VAPI yet: set one up first.</p>
          ) : (
            <Shown of={assistants} what="the assistants">
              {(told) => (told.assistants.length === 0 ? <p className="note">There is no assistant yet.</p> : <Form organizationId={organizationId} numbers={usable} assistants={told.assistants} />)}
            </Shown>
          );
        }}
      </Shown>
    </Part>
  );
}

function Form({ organizationId, numbers, assistants }: { organizationId: string; numbers: readonly PhoneNumber[]; assistants: readonly Assistant[] }): ReactNode {
  const change = useChange();
  const [from, setFrom] = useState(numbers[0]?.id ?? "");
  const [assistantId, setAssistantId] = useState(numbers[0]?.assistant_id ?? assistants[0]?.id ?? "");
  const [number, setNumber] = useState("");
  const [placed, setPlaced] = useState<OutboundCall | null>(null);
  const submit = async (): Promise<void> => {
    setPlaced(null);
    const asked = { assistantId, phoneNumberId: from, number: number.trim() };
    await change.run(asked, async (key) => setPlaced(await placeCall(organizationId, asked, key)));
  };
  return (
    <form
      className="admin-form"
      onSubmit={(event) => {
        event.preventDefault();
        if (!change.isBusy) void submit();
      }}
    >
      <div className="pair">
        <label>
          From
          <select value={from} onChange={(event) => setFrom(event.target.value)}>
            {numbers.map((each) => (
              <option key={each.id} value={each.id}>
                {each.number}
              </option>
            ))}
          </select>
        </label>
        <label>
          Assistant
          <select value={assistantId} onChange={(event) => setAssistantId(event.target.value)}>
            {assistants.map((each) => (
              <option key={each.id} value={each.id}>
                {each.name}
              </option>
            ))}
          </select>
        </label>
        <label>
          To
          <input type="tel" required value={number} pattern="\+[1-9][0-9]{6,14}" placeholder="+15550001111" onChange={(event) => setNumber(event.target.value)} />
        </label>
      </div>
      <Fault of={change} />
      <div className="buttons">
        <button type="submit" className="primary" disabled={change.isBusy}>
          {change.isBusy ? "Calling…" : "Place the call"}
        </button>
        <span role="status" id="placed">
          {placed && <Outcome of={placed} />}
        </span>
      </div>
    </form>
  );
}

function Outcome({ of: { call_id } }: { of: OutboundCall }): ReactNode {
  if (call_id === null) return <>VAPI did not answer: the call is looked up there, and never dialled twice.</>;
  return (
    <>
      Placed. <Link href={linkTo("/", { call: call_id })}>See it on the board</Link>
    </>
  );
}
