// The live protocol: a board folded from frames, and a connection that resumes where it was cut.

const UTTERANCES_KEPT = 30;
const SILENCE_MS = 15_000; // three heartbeats missed: dead, whatever the browser believes
const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 20_000;

const numbers = (position) => position.split("-").map(BigInt);

function isNewer(position, than) {
  const [epoch, n] = numbers(position);
  const [heldEpoch, heldN] = numbers(than);
  return epoch !== heldEpoch ? epoch > heldEpoch : n > heldN;
}

/** What is known of the organization as of `position`. Frames that are not newer change nothing. */
export class Board {
  position = null;
  organization = null;
  counters = null;
  calls = new Map();
  incidents = new Map();

  apply(frame) {
    if (frame.type === "snapshot") {
      this.organization = frame.state.organization;
      this.counters = frame.state.counters;
      this.calls = new Map(frame.state.calls.map((call) => [call.call_id, call]));
      this.incidents = new Map((frame.state.incidents ?? []).map((each) => [incidentKey(each), each]));
      this.position = frame.position;
    } else if (frame.type === "events") {
      if (this.position === null || !isNewer(frame.position, this.position)) return;
      frame.events.forEach((event) => this.#take(event));
      this.position = frame.position;
    }
  }

  #take(event) {
    switch (event.type) {
      case "call":
      case "call-completed": {
        const held = this.calls.get(event.call.call_id);
        this.calls.set(event.call.call_id, { ...event.call, utterances: held?.utterances ?? [] });
        break;
      }
      case "call-removed":
        this.calls.delete(event.call_id);
        break;
      case "counters":
        this.counters = event.counters;
        break;
      case "incident": {
        const { incident } = event;
        const key = incidentKey(incident);
        if (!incident.recovered_at && !incident.resolved_at) this.incidents.set(key, incident);
        else if (this.incidents.get(key)?.incident_id === incident.incident_id) this.incidents.delete(key);
        break;
      }
      case "organization":
        this.organization = { ...this.organization, name: event.name, time_zone: event.time_zone };
        break;
      case "utterance":
      case "evidence": {
        const call = this.calls.get(event.call_id);
        if (call) this.calls.set(event.call_id, heard(call, event));
        break;
      }
    }
  }
}

/** Of one rule and call at most one incident is open. */
const incidentKey = (incident) => JSON.stringify([incident.rule, incident.call_id]);

function heard(call, { evidence_at, utterance, conversation = call.conversation }) {
  const later = { conversation, ...(evidence_at > call.evidence_at ? { evidence_at, evidence_kind: "speech" } : {}) };
  if (!utterance) return { ...call, ...later };
  const kept = call.utterances.filter((said) => said.final || said.role !== utterance.role);
  return { ...call, ...later, utterances: [...kept, utterance].slice(-UTTERANCES_KEPT) };
}

/** Thrown when coming back is of no use until someone signs in. */
export class SignedOut extends Error {}

/** Asks for JSON; a session that is over is `SignedOut`. */
export async function ask(path, options) {
  const answer = await fetch(path, { ...options, signal: AbortSignal.timeout(10_000) });
  if (answer.status === 401 || answer.status === 403) throw new SignedOut(path);
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}`);
  return answer.json();
}

/**
 * Keeps `board` current until the session ends (throws SignedOut), resuming after each loss.
 * Calls `on.open()`, `on.frame(frame)` and `on.lost(code)`.
 */
export async function follow(board, organizationId, on) {
  for (let attempt = 0; ; attempt += 1) {
    try {
      const ticket = await ask(`/v1/organizations/${encodeURIComponent(organizationId)}/live-tickets`, { method: "POST" });
      const code = await listen(ticket.url, board, {
        ...on,
        frame: (frame) => {
          attempt = 0;
          on.frame(frame);
        },
      });
      on.lost(code);
    } catch (error) {
      if (error instanceof SignedOut) throw error;
      on.lost(0);
    }
    // Full jitter: a crowd that was cut at once comes back spread out.
    const bound = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(attempt, 10));
    await new Promise((resume) => setTimeout(resume, Math.random() * bound));
  }
}

function listen(address, board, on) {
  const url = new URL(address);
  if (board.position !== null) url.searchParams.set("after", board.position);
  return new Promise((resolve) => {
    const socket = new WebSocket(url);
    let silence;
    const end = (code) => {
      clearTimeout(silence);
      socket.onclose = socket.onmessage = null;
      socket.close();
      resolve(code);
    };
    const wait = () => {
      clearTimeout(silence);
      silence = setTimeout(() => end(0), SILENCE_MS);
    };
    wait();
    socket.onopen = () => on.open();
    socket.onclose = (event) => end(event.code);
    socket.onmessage = (message) => {
      wait();
      const frame = JSON.parse(message.data);
      board.apply(frame);
      on.frame(frame);
    };
  });
}
