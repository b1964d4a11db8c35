/** What a page knows of its organization: a pure fold of frames, equal to serve/live/board.py. */

import type { BoardState, BoardCall, ConversationView, CountersView, LiveFrame, LiveIncident, LiveEvent, OrganizationView, PresenceFrame, UtteranceView } from "./protocol.ts";

/** As many as the server keeps, so that a board that was patched and one that was sent whole are equal. */
const UTTERANCES_KEPT = 30;

export interface Board {
  position: string | null;
  organization: OrganizationView | null;
  counters: CountersView | null;
  calls: ReadonlyMap<string, BoardCall>;
  /** Those open. Of one rule and call there is one at most. */
  incidents: ReadonlyMap<string, LiveIncident>;
  /** Who watches and who acts, as last told; no part of the state, and without a position. */
  presence: PresenceFrame | null;
}

export const EMPTY_BOARD: Board = { position: null, organization: null, counters: null, calls: new Map(), incidents: new Map(), presence: null };

/** The board after a frame. One that is not newer changes nothing, so repeating it is safe; unknown ones are passed over. */
export function applied(board: Board, frame: LiveFrame): Board {
  switch (frame.type) {
    case "snapshot":
      return {
        ...board,
        position: frame.position,
        organization: frame.state.organization,
        counters: frame.state.counters,
        calls: new Map(frame.state.calls.map((call) => [call.call_id, call])),
        incidents: new Map((frame.state.incidents ?? []).map((each) => [incidentKey(each), each])),
      };
    case "events": {
      if (board.position === null || !isNewer(frame.position, board.position)) return board;
      const next = { ...board, position: frame.position, calls: new Map(board.calls), incidents: new Map(board.incidents) };
      for (const event of frame.events) take(next, event);
      return next;
    }
    case "presence":
      return { ...board, presence: frame };
    default:
      return board;
  }
}

/** Whether a frame follows one that never came: the board is resumed from where it is. Older hubs do not tell `after`. */
export function showsHole(held: string | null, frame: LiveFrame): boolean {
  if (held === null) return false;
  if (frame.type === "heartbeat") return isNewer(frame.position, held);
  return frame.type === "events" && (frame.after as string | undefined) !== undefined && isNewer(frame.after, held);
}

/** The board in the form a snapshot has. */
export function stateOf(board: Board): BoardState | null {
  if (board.organization === null || board.counters === null) return null;
  return {
    organization: board.organization,
    calls: [...board.calls.values()].toSorted(by((call) => [call.created_at, call.call_id])),
    counters: board.counters,
    incidents: [...board.incidents.values()].toSorted(by((each) => [each.opened_at, each.incident_id])),
  };
}

/** Positions are `<epoch>-<n>`, both beyond what a number holds exactly. */
export function isNewer(position: string, than: string): boolean {
  const [epoch = 0n, n = 0n] = position.split("-").map(BigInt);
  const [heldEpoch = 0n, heldN = 0n] = than.split("-").map(BigInt);
  return epoch === heldEpoch ? n > heldN : epoch > heldEpoch;
}

interface Draft {
  organization: OrganizationView | null;
  counters: CountersView | null;
  calls: Map<string, BoardCall>;
  incidents: Map<string, LiveIncident>;
}

function take(board: Draft, event: LiveEvent): void {
  switch (event.type) {
    case "call":
    case "call-completed": {
      const { call } = event;
      board.calls.set(call.call_id, { ...call, utterances: board.calls.get(call.call_id)?.utterances ?? [] });
      break;
    }
    case "call-removed":
      board.calls.delete(event.call_id);
      break;
    case "counters":
      board.counters = event.counters;
      break;
    case "incident": {
      const { incident } = event;
      const key = incidentKey(incident);
      if (isOpen(incident)) board.incidents.set(key, incident);
      else if (board.incidents.get(key)?.incident_id === incident.incident_id) board.incidents.delete(key);
      break;
    }
    case "organization":
      if (board.organization) board.organization = { ...board.organization, name: event.name, time_zone: event.time_zone };
      break;
    case "utterance":
    case "evidence": {
      const call = board.calls.get(event.call_id);
      if (call) board.calls.set(event.call_id, heard(call, event));
      break;
    }
    default:
  }
}

export const isOpen = (incident: LiveIncident): boolean => incident.recovered_at === null && incident.resolved_at === null;

const incidentKey = (incident: LiveIncident): string => JSON.stringify([incident.rule, incident.call_id]);

function heard(call: BoardCall, event: { evidence_at: string; utterance?: UtteranceView; conversation?: ConversationView }): BoardCall {
  const { evidence_at, utterance, conversation = call.conversation } = event;
  // ISO times of one form order as text. Evidence that a record did not bring was heard.
  const later = evidence_at > call.evidence_at ? { evidence_at, evidence_kind: "speech" } : {};
  const told = { ...call, ...later, conversation };
  if (!utterance) return told;
  const kept = call.utterances.filter((said) => said.final || said.role !== utterance.role);
  return { ...told, utterances: [...kept, utterance].slice(-UTTERANCES_KEPT) };
}

function by<T>(key: (each: T) => readonly string[]): (a: T, b: T) => number {
  return (a, b) => {
    const [ofA, ofB] = [key(a), key(b)];
    for (const [at, part] of ofA.entries()) {
      const other = ofB[at] ?? "";
      if (part !== other) return part < other ? -1 : 1;
    }
    return 0;
  };
}
