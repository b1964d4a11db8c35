/** Who is there, in words. */

import { words } from "../calls/format.ts";
import type { Actor, PresenceFrame, Watcher } from "../live/protocol.ts";

type Named = Pick<Watcher, "subject" | "name">;

/** People who gave no name are told apart from keys, and from whoever looks. */
export function nameOf({ subject, name }: Named, me: string | null): string {
  if (subject === me) return name ? `${name} (you)` : "You";
  return name ?? (subject.startsWith("key:") ? "An API key" : "A colleague");
}

/** How many watch, those whom the frame does not name too. */
export function watchingCount(presence: PresenceFrame): number {
  return presence.watching.length + presence.more;
}

const DOING: Readonly<Record<string, string>> = {
  say: "had something said",
  whisper: "whispered",
  mute: "muted",
  unmute: "unmuted",
  transfer: "asked for a transfer",
  end: "asked for its end",
};

export function actingWords(actor: Actor, me: string | null): string {
  return `${nameOf(actor, me)} ${DOING[actor.action] ?? words(actor.action)}`;
}

/** The newest command of each call. */
export function actorsByCall(presence: PresenceFrame | null): ReadonlyMap<string, Actor> {
  const found = new Map<string, Actor>();
  for (const actor of presence?.acting ?? []) if (!found.has(actor.call_id)) found.set(actor.call_id, actor);
  return found;
}

/** Who has each call open, longest there first. A hub of the release before tells of nobody. */
export function watchersByCall(presence: PresenceFrame | null): ReadonlyMap<string, readonly Watcher[]> {
  const found = new Map<string, Watcher[]>();
  for (const watcher of presence?.watching ?? []) {
    for (const id of (watcher.calls as Watcher["calls"] | undefined) ?? []) {
      const held = found.get(id);
      if (held) held.push(watcher);
      else found.set(id, [watcher]);
    }
  }
  return found;
}

/** Those beside whoever looks. */
export const othersOf = (watchers: readonly Watcher[], me: string | null): readonly Watcher[] => watchers.filter((each) => each.subject !== me);

export const namesOf = (watchers: readonly Watcher[], me: string | null): string => watchers.map((each) => nameOf(each, me)).join(", ");

/** How presence names whoever is signed in. */
export const subjectOf = (user: { user_id: string } | null): string | null => (user === null ? null : `user:${user.user_id}`);
