/** A call's tags, to be set and taken away: `T` goes to where one is typed. */

import { type ReactNode, useRef, useState } from "react";
import { useChange } from "../api/change.ts";
import { useLive } from "../live/store.ts";
import { useKeys } from "../shell/keys.ts";
import { Fault } from "../shell/states.tsx";
import { LONGEST_TAG, setTag, tagsAmong } from "./tags.ts";

export interface TagEditorProps {
  organizationId: string;
  callId: string;
  tags: readonly string[];
  mayWrite: boolean;
  /** Somebody set or took away one here. */
  changed?: () => void;
}

export function TagEditor({ organizationId, callId, tags, mayWrite, changed }: TagEditorProps): ReactNode {
  const { board } = useLive();
  const [text, setText] = useState("");
  const change = useChange();
  const [suggested, setSuggested] = useState<readonly string[]>([]);
  /** What the API answered, until whoever shows the call has heard of it, too. */
  const [answer, setAnswer] = useState<{ over: string; tags: readonly string[] } | null>(null);
  const inputRef = useRef<HTMLInputElement>(null);
  const told = JSON.stringify([callId, tags]);
  const shown = answer?.over === told ? answer.tags : tags;
  const send = async (tag: string, isSet: boolean): Promise<void> => {
    const isDone = await change.run([tag, isSet], async () => setAnswer({ over: told, tags: await setTag(organizationId, callId, tag, isSet) }));
    if (isDone && isSet) setText("");
    if (isDone) changed?.();
    inputRef.current?.focus();
  };
  useKeys({ t: mayWrite ? () => inputRef.current?.focus() : undefined });
  if (!mayWrite && shown.length === 0) return null;
  return (
    <div className="tag-editor" id="tags">
      <ul className="tags" aria-label="Tags">
        {shown.map((tag) => (
          <li key={tag} className="tag">
            {tag}
            {mayWrite && (
              <button type="button" className="quiet" aria-label={`Take away the tag ${tag}`} disabled={change.isBusy} onClick={() => void send(tag, false)}>
                ×
              </button>
            )}
          </li>
        ))}
      </ul>
      {mayWrite && (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            if (text.trim() && !change.isBusy) void send(text.trim(), true);
          }}
        >
          <input
            ref={inputRef}
            id="tag"
            aria-label="Add a tag"
            placeholder="Add a tag (T)"
            list="known-tags"
            maxLength={LONGEST_TAG}
            autoComplete="off"
            autoCapitalize="none"
            spellCheck={false}
            value={text}
            onFocus={() => setSuggested(tagsAmong(board.calls.values()))}
            onChange={(event) => setText(event.target.value)}
            onKeyDown={(event) => {
              if (event.key !== "Escape") return;
              event.stopPropagation();
              setText("");
              event.currentTarget.blur();
            }}
          />
          <datalist id="known-tags">
            {suggested
              .filter((tag) => !shown.includes(tag))
              .map((tag) => (
                <option key={tag} value={tag}>
                  {tag}
                </option>
              ))}
          </datalist>
          {text.trim() && (
            <button type="submit" disabled={change.isBusy}>
              Add
            </button>
          )}
        </form>
      )}
      <Fault of={change} />
    </div>
  );
}
