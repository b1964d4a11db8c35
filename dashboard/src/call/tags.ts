/** The few short words by which people sort calls. */

import { api, organizationPath } from "../api/client.ts";
import type { CallView } from "../live/protocol.ts";

export const LONGEST_TAG = 32;

const NONE: readonly string[] = [];

/** A hub of the release before tells of none. */
export const tagsOf = ({ tags }: Partial<Pick<CallView, "tags">>): readonly string[] => tags ?? NONE;

/** Every tag of these calls, in order. */
export function tagsAmong(calls: Iterable<Partial<Pick<CallView, "tags">>>): readonly string[] {
  const found = new Set<string>();
  for (const call of calls) for (const tag of tagsOf(call)) found.add(tag);
  return [...found].toSorted();
}

/** Sets a tag of a call or takes it away, and tells what its tags are now. Asking again changes nothing. */
export async function setTag(organizationId: string, callId: string, tag: string, isSet: boolean): Promise<readonly string[]> {
  const path = organizationPath(organizationId, "calls", callId, "tags", tag);
  return (await api<{ tags: string[] }>(path, { method: isSet ? "PUT" : "DELETE" })).tags;
}
