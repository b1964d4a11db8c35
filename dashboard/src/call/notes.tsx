/** What people wrote down about the call; it stays with it. */

import { type ReactNode, useState } from "react";
import { useChange } from "../api/change.ts";
import { dayAndTime } from "../calls/days.ts";
import { useTimeZone } from "../live/time-zone.ts";
import { addNote, type CallNote } from "./detail.ts";
import { Fault } from "../shell/states.tsx";

export interface NotesProps {
  organizationId: string;
  callId: string;
  notes: readonly CallNote[] | null;
  mayWrite: boolean;
  reload: () => void;
}

export function Notes({ organizationId, callId, notes, mayWrite, reload }: NotesProps): ReactNode {
  const timeZone = useTimeZone();
  const [text, setText] = useState("");
  const change = useChange();
  const send = async (): Promise<void> => {
    if (!(await change.run(text.trim(), (key) => addNote(organizationId, callId, text.trim(), key)))) return;
    setText("");
    reload();
  };
  return (
    <div className="notes">
      {notes?.length === 0 && <p className="note">No notes yet.</p>}
      <ul>
        {notes?.map((note) => (
          <li key={note.note_id}>
            <p className="note">
              {note.author} · <time dateTime={note.created_at}>{dayAndTime(note.created_at, timeZone)}</time>
            </p>
            <p>{note.text}</p>
          </li>
        ))}
      </ul>
      {mayWrite && (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            if (text.trim() && !change.isBusy) void send();
          }}
        >
          <label>
            Note
            <textarea id="note" rows={3} maxLength={5000} value={text} onChange={(event) => setText(event.target.value)} />
          </label>
          <Fault of={change} />
          <button type="submit" disabled={change.isBusy || !text.trim()}>
            Add the note
          </button>
        </form>
      )}
    </div>
  );
}
