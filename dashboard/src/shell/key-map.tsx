/** The keyboard map. */

import { type ReactNode, useRef } from "react";
import { useModal } from "./modal.ts";

const KEYS: readonly [string, string][] = [
  ["j / k, ↓ / ↑", "next, previous call"],
  ["Enter", "open the call"],
  ["Esc", "close, back"],
  ["/", "search"],
  ["f", "filters"],
  ["r", "apply the order that waits"],
  ["1 … 9", "open a kept view"],
  ["0", "show all"],
  ["a", "acknowledge the first alarm, of the open call first"],
  ["m", "mute it for 15 minutes"],
  ["s", "say"],
  ["w", "whisper"],
  ["u", "mute or unmute the assistant"],
  ["x", "transfer"],
  ["e", "end: asks first"],
  ["n", "write a note"],
  ["t", "tag the call"],
  ["g", "the wallboard, and back"],
  ["?", "this map"],
];

export function KeyMap({ close }: { close: () => void }): ReactNode {
  const ref = useRef<HTMLDialogElement>(null);
  useModal(ref);
  return (
    <dialog ref={ref} className="key-map" aria-labelledby="keys-title" onClose={close}>
      <h2 id="keys-title">Keyboard</h2>
      <dl>
        {KEYS.map(([key, text]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{text}</dd>
          </div>
        ))}
      </dl>
      <form method="dialog">
        <button type="submit">Close</button>
      </form>
    </dialog>
  );
}
