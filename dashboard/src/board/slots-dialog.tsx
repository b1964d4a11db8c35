/** Which calls hold the slots, how many were refused, and what is done beyond the limit. */

import { type ReactNode, useRef } from "react";
import { callerOf } from "../calls/facts.ts";
import { counted, since } from "../calls/format.ts";
import type { BoardCall } from "../live/protocol.ts";
import { useModal } from "../shell/modal.ts";
import { SlotRelease } from "./slot-release.tsx";
import { policyWords, type SlotLedger } from "./slots.ts";

export interface SlotsDialogProps {
  organizationId: string;
  mayRelease: boolean;
  /** A slot was freed: what holds them is to be read anew. */
  changed: () => void;
  ledger: SlotLedger;
  refusedToday: number;
  calls: ReadonlyMap<string, BoardCall>;
  now: number;
  openCall: (callId: string) => void;
  showRefused: () => void;
  close: () => void;
}

export function SlotsDialog({ organizationId, mayRelease, changed, ledger, refusedToday, calls, now, openCall, showRefused, close }: SlotsDialogProps): ReactNode {
  const ref = useRef<HTMLDialogElement>(null);
  useModal(ref);
  const leave = (act: () => void) => (): void => {
    close();
    act();
  };
  return (
    <dialog ref={ref} className="slots" id="slots" aria-labelledby="slots-title" onClose={close}>
      <h2 id="slots-title">
        {ledger.limit === null ? `${counted(ledger.in_use, "slot")} in use, no limit` : `${ledger.in_use} of ${counted(ledger.limit, "slot")} in use`}
        {ledger.reserved > 0 && `, ${ledger.reserved} reserved`}
      </h2>
      {ledger.slots.length === 0 ? (
        <p className="note">No call holds a slot.</p>
      ) : (
        <div className="slots-list">
          <table>
            <thead>
              <tr>
                <th scope="col">Call</th>
                <th scope="col">Holds it</th>
                <th scope="col">For</th>
                <th scope="col">Evidence</th>
              </tr>
            </thead>
            <tbody>
              {ledger.slots.map((slot) => {
                const call = calls.get(slot.call_id);
                return (
                  <tr key={slot.call_id}>
                    <td>
                      {call ? (
                        <button type="button" className="link" onClick={leave(() => openCall(slot.call_id))}>
                          {callerOf(call)}
                        </button>
                      ) : (
                        slot.call_id
                      )}
                    </td>
                    <td>{slot.state === "reserved" ? "reserved, not begun" : "while it goes on"}</td>
                    <td>{since(slot.since, now)}</td>
                    <td data-sure={slot.evidence} className="c-evidence">
                      {slot.evidence}, {since(slot.evidence_at, now)} ago
                      {mayRelease && slot.state === "live" && slot.evidence !== "confirmed" && (
                        <SlotRelease organizationId={organizationId} callId={slot.call_id} name={call ? callerOf(call) : slot.call_id} released={changed} />
                      )}
                    </td>
                  </tr>
                );
              })}
            </tbody>
          </table>
        </div>
      )}
      <p>
        <strong>{counted(refusedToday, "call")} refused today.</strong>{" "}
        {refusedToday > 0 && (
          <button type="button" className="link" onClick={leave(showRefused)}>
            Those that still ring
          </button>
        )}
      </p>
      {policyWords(ledger).map((said) => (
        <p key={said} className="note">
          {said}
        </p>
      ))}
      <form method="dialog">
        <button type="submit">Close</button>
      </form>
    </dialog>
  );
}
