/** What may be done to a call that goes on. What came of it is said here, in the provider's words where it refused. */

import { type ReactNode, useEffect, useRef, useState } from "react";
import { faultOf } from "../api/client.ts";
import { Once } from "../api/once.ts";
import { isTalking } from "../calls/facts.ts";
import type { BoardCall } from "../live/protocol.ts";
import { useKeys } from "../shell/keys.ts";
import type { TimelineEntry } from "./detail.ts";
import { type Command, commandCall, destinationOf, mutesOf, racedWords, resultWords } from "./control.ts";
import { EndDialog } from "./end-dialog.tsx";

export interface ActionsProps {
  call: BoardCall;
  organizationId: string;
  scopes: ReadonlySet<string>;
  isStale: boolean;
  now: number;
  /** Server's clock minus ours: the board's own time stands still while it is stale. */
  skewMs: number;
  timeline: readonly TimelineEntry[];
  /** Something was done to the call that its history tells of. */
  changed: () => void;
  showNotes: () => void;
}

type Form = "say" | "whisper" | "transfer";
/** `raced`: it had ended before it was to be ended, which is as good; when that was may be known only later. */
type Outcome = { kind: "done" | "fault"; text: string } | { kind: "raced"; askedAt: number } | null;

const FORMS: Readonly<Record<Form, { label: string; hint: string; button: string }>> = {
  say: { label: "The assistant says", hint: "The caller hears this.", button: "Say it" },
  whisper: { label: "Whisper to the assistant", hint: "Only the AI sees this; the caller hears nothing.", button: "Whisper" },
  transfer: { label: "Transfer to", hint: "A number such as +4930123456, or sip:somebody@example.com.", button: "Transfer" },
};

export function Actions({ call, organizationId, scopes, isStale, now, skewMs, timeline, changed, showNotes }: ActionsProps): ReactNode {
  const [form, setForm] = useState<Form | null>(null);
  const [text, setText] = useState("");
  const [isEnding, setIsEnding] = useState(false);
  const [isSending, setIsSending] = useState(false);
  const history = mutesOf(timeline);
  /** What was just asked for, until the history has it. */
  const [asked, setAsked] = useState<{ isMuted: boolean; after: number } | null>(null);
  const isMuted = asked !== null && history.length <= asked.after ? asked.isMuted : (history.at(-1) ?? false);
  const [outcome, setOutcome] = useState<Outcome>(null);
  const [endAsked, setEndAsked] = useState(false);
  const [once] = useState(() => new Once());
  const isEnded = call.status === "ended";
  const mayControl = scopes.has("calls:control") && !isEnded;
  const mayEnd = mayControl && scopes.has("calls:end");
  const isReady = mayControl && isTalking(call);

  const send = async (command: Command): Promise<void> => {
    const askedAt = Date.now() + skewMs;
    setIsSending(true);
    setOutcome(null);
    try {
      const result = await once.run(command, (key) => commandCall(organizationId, call.call_id, command, key));
      setOutcome(result.result === "already_ended" ? { kind: "raced", askedAt } : { kind: "done", text: resultWords(result) });
      setForm(null);
      setText("");
      setIsEnding(false);
      if (command.action === "end") setEndAsked(true);
      if (command.action === "mute" || command.action === "unmute") setAsked({ isMuted: command.action === "mute", after: history.length });
      changed();
    } catch (error) {
      setIsEnding(false);
      setOutcome({ kind: "fault", text: faultOf(error) });
    } finally {
      setIsSending(false);
    }
  };
  const choose = (next: Form): void => {
    setOutcome(null);
    setText("");
    setForm(form === next ? null : next);
  };
  const mute = (): void => void send({ action: isMuted ? "unmute" : "mute", whom: "assistant" });
  const submit = (): void => {
    if (form === "transfer") {
      const destination = destinationOf(text);
      if (destination === null) setOutcome({ kind: "fault", text: "That is neither a number such as +4930123456 nor a SIP address." });
      else void send({ action: "transfer", destination });
    } else if (form !== null && text.trim()) void send({ action: form, content: text.trim() });
  };
  useKeys({
    s: isReady ? () => choose("say") : undefined,
    w: isReady ? () => choose("whisper") : undefined,
    u: isReady && !isSending ? mute : undefined,
    x: isReady ? () => choose("transfer") : undefined,
    e: mayEnd ? () => setIsEnding(true) : undefined,
    n: showNotes,
  });
  const formBefore = useRef<Form | null>(null);
  useEffect(() => {
    if (form !== null) document.getElementById("action-text")?.focus();
    // The form took the focus with it: it goes to the button that had opened it.
    else if (formBefore.current !== null && document.activeElement === document.body) document.getElementById(`action-${formBefore.current}`)?.focus();
    formBefore.current = form;
  }, [form]);
  const raced = isEnded && isEnding ? racedWords(call, now) : null;
  return (
    <footer className="actions">
      {isStale && mayControl && <p className="note" id="still-acts">The board is behind; what you do here goes to the provider by HTTP all the same.</p>}
      {outcome && (
        <p className={outcome.kind === "fault" ? "fault" : "done"} role={outcome.kind === "fault" ? "alert" : "status"} id="action-outcome">
          {outcome.kind !== "fault" && "✓ "}
          {outcome.kind === "raced" ? racedWords(call, outcome.askedAt) : outcome.text}
        </p>
      )}
      {form && !isEnded && (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            if (!isSending) submit();
          }}
        >
          <label>
            {FORMS[form].label}
            <input
              id="action-text"
              value={text}
              maxLength={5000}
              autoComplete="off"
              aria-describedby="action-hint"
              onChange={(event) => setText(event.target.value)}
              onKeyDown={(event) => {
                if (event.key !== "Escape") return;
                event.stopPropagation();
                setForm(null);
              }}
            />
          </label>
          <p className="note" id="action-hint">
            {FORMS[form].hint}
          </p>
          <div className="buttons">
            <button type="submit" className="primary" disabled={isSending || !text.trim()}>
              {FORMS[form].button}
            </button>
            <button type="button" onClick={() => setForm(null)}>
              Cancel
            </button>
          </div>
        </form>
      )}
      {isEnded && !outcome && <p className="note">{endAsked ? "" : "The call is over: nothing can be done to it any more."}</p>}
      {mayControl && (
        <div className="buttons" role="group" aria-label="Actions">
          <button type="button" id="action-say" disabled={!isReady} aria-pressed={form === "say"} onClick={() => choose("say")}>
            Say <kbd>S</kbd>
          </button>
          <button type="button" id="action-whisper" disabled={!isReady} aria-pressed={form === "whisper"} onClick={() => choose("whisper")}>
            Whisper <kbd>W</kbd>
          </button>
          <button type="button" disabled={!isReady || isSending} aria-pressed={isMuted} onClick={mute}>
            {isMuted ? "Unmute" : "Mute"} AI <kbd>U</kbd>
          </button>
          <button type="button" id="action-transfer" disabled={!isReady} aria-pressed={form === "transfer"} onClick={() => choose("transfer")}>
            Transfer <kbd>X</kbd>
          </button>
          {mayEnd && (
            <button type="button" className="danger" onClick={() => setIsEnding(true)}>
              End <kbd>E</kbd>
            </button>
          )}
        </div>
      )}
      {!isEnded && !scopes.has("calls:control") && (
        <p className="note" id="may-not">
          You watch: acting on calls needs the right <code>calls:control</code>, which supervisors have.
        </p>
      )}
      {mayControl && !isReady && <p className="note">Only End works before the call is answered.</p>}
      {isEnding && <EndDialog call={call} raced={raced} isSending={isSending} cancel={() => setIsEnding(false)} end={(reason) => void send({ action: "end", reason })} />}
    </footer>
  );
}
