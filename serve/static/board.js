// The page: draws the board a few times a second, and says plainly when it is not live.

import { Board, SignedOut, ask, follow } from "/static/feed.js";

const DRAW_MS = 250;
const STALE_MS = 10_000;
const CONFIRMED_MS = 60_000;
const SILENT_MS = 15_000;
const ENDED_SHOWN = 12;
const SIGN_IN_POLL_MS = 3_000;
const OVER_SHOWN_MS = 60_000;

const EVIDENCE = { confirmed: "●", quiet: "◌", unconfirmed: "?" };
const SPEAKERS = { user: "Caller", customer: "Caller", assistant: "Assistant", bot: "Assistant" };

const byId = (id) => document.getElementById(id);
const board = new Board();
const link = { state: "connecting", heardAt: null, blindAt: null, skew: 0, current: true };
let shownCall = null;
let organizationId = null;
let over = [];
let changed = true;

// Text and time

function isRefused(call) {
  return call.status !== "ended" && (call.admission ?? "").startsWith("refused:");
}

function clock(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const two = (n) => String(n).padStart(2, "0");
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

const since = (time, now) => (time ? clock(now - Date.parse(time)) : "–");
const timeOfDay = (ms) => new Date(ms).toLocaleTimeString([], { hour12: false });
const speaker = (role) => SPEAKERS[role] ?? role;
const words = (value) => value.replaceAll("-", " ").replaceAll(".", " ");

function evidence(call, now) {
  const at = Date.parse(call.evidence_at);
  if (call.absent_at && Date.parse(call.absent_at) >= at) return "unconfirmed";
  return now - at <= CONFIRMED_MS ? "confirmed" : "quiet";
}

function element(name, className, ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function set(node, name, value) {
  if (node.dataset[name] !== value) node.dataset[name] = value;
}

// Figures

const TILES = [
  ["live", "Live now", (c) => c.live],
  ["stale", "Stale", (c) => c.stale ?? NOTHING],
  ["waiting", "Waiting", (c) => c.waiting],
  ["peak", "Peak today", (c) => (c.today.peak_at ? `${c.today.peak_live} at ${timeOfDay(Date.parse(c.today.peak_at))}` : NOTHING)],
  ["answered", "Answered of calls", (c) => `${c.today.answered} / ${c.today.calls}`],
  ["refused", "Refused", (c) => c.today.refused],
  ["level", "Service level", (c) => percent(c.today.service_level_share, c.today.service_level_n)],
  ["answer", "Speed of answer", (c) => seconds(c.today.answer_seconds)],
  ["handle", "Handling time", (c) => seconds(c.today.handle_seconds)],
  ["word", "First word, median", (c) => seconds(ofMs(c.today.first_word_p50_ms))],
  ["latency", "Turn latency p95", (c) => seconds(ofMs(c.today.turn_latency_p95_ms))],
  ["capacity", "Capacity in use", (c) => (c.today.capacity_share === null ? NOTHING : `${Math.round(c.today.capacity_share * 100)} %`)],
  ["talk", "Talk time", (c) => talk(c.today.talk_seconds)],
  ["webhooks", "Webhook lag p95", (c) => seconds(ofMs(c.today.webhook_lag_p95_ms))],
];

// What was not measured is neither 0 nor all.
const NOTHING = "–";
const ofMs = (ms) => (ms === null ? null : ms / 1000);
const seconds = (value) => (value === null ? NOTHING : value < 60 ? `${value.toFixed(1)} s` : clock(value * 1000));
const percent = (share, n) => (share === null ? NOTHING : `${Math.round(share * 100)} % of ${n}`);

function talk(seconds) {
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

const tiles = new Map(
  TILES.map(([key, name]) => {
    const value = element("dd", "", "\u00a0");
    byId("tiles").append(element("dl", `tile tile-${key}`, element("dt", "", name), value));
    return [key, value];
  }),
);

function drawTiles() {
  if (board.counters === null) return;
  for (const [key, , figure] of TILES) put(tiles.get(key), String(figure(board.counters)));
}

// Calls

const rows = new Map();

function makeRow(callId) {
  const cells = {};
  const cell = (key, label, className = "", ...children) => {
    cells[key] = element("td", className, ...children);
    cells[key].dataset.label = label;
    return cells[key];
  };
  const state = element("span", "pill");
  const alarm = element("span", "alarm-mark");
  const caller = element("button", "caller");
  caller.type = "button";
  caller.addEventListener("click", () => openCall(callId));
  const route = element("span", "note");
  const who = element("span", "who");
  const text = element("span", "text");
  const sure = element("span", "sure");
  const row = element(
    "tr", "call",
    cell("state", "State", "", state, alarm),
    cell("caller", "Caller", "", caller, route),
    cell("assistant", "Assistant"),
    cell("age", "Age", "number"),
    cell("silence", "Silence", "number"),
    cell("said", "Last said", "said", who, text),
    cell("evidence", "Evidence", "", sure),
  );
  return { row, state, alarm, caller, route, assistant: cells.assistant, age: cells.age, silence: cells.silence, who, text, sure };
}

function fillRow(parts, call, now) {
  const said = call.utterances.at(-1);
  const sure = evidence(call, now);
  const talking = call.status === "in-progress" || call.status === "forwarding";
  const quietSince = said?.at ?? call.answered_at;
  const silent = talking && quietSince && now - Date.parse(quietSince) > SILENT_MS;
  put(parts.state, isRefused(call) ? words(call.admission.replace(":", " ")) : words(call.status));
  set(parts.state, "status", call.status);
  put(parts.alarm, alarmMark(call.call_id));
  put(parts.caller, callerOf(call));
  put(parts.route, [call.direction, call.to_number && `to ${call.to_number}`].filter(Boolean).join(" "));
  put(parts.assistant, call.assistant_name ?? "–");
  put(parts.age, since(call.answered_at ?? call.created_at, now));
  put(parts.silence, talking ? since(quietSince, now) + (silent ? " silent" : "") : "–");
  parts.silence.classList.toggle("warn", Boolean(silent));
  put(parts.who, said ? speaker(said.role) : "");
  put(parts.text, said ? said.text : "");
  parts.text.classList.toggle("partial", Boolean(said && !said.final));
  put(parts.sure, `${EVIDENCE[sure]} ${sure}`);
  set(parts.sure, "sure", sure);
}

function callerOf(call) {
  return call.customer_name ?? call.from_number ?? (call.type ? words(call.type) : call.call_id);
}

function matches(call, asked) {
  if (!asked) return true;
  const said = call.utterances.at(-1)?.text;
  return [call.call_id, call.status, call.customer_name, call.from_number, call.to_number, call.assistant_name, said].some(
    (value) => value?.toLowerCase().includes(asked),
  );
}

const byAge = (a, b) => (a.created_at < b.created_at ? -1 : a.created_at > b.created_at ? 1 : 0);

function drawCalls(now) {
  const asked = byId("search").value.trim().toLowerCase();
  const open = [...board.calls.values()].filter((call) => call.status !== "ended");
  const shown = open.filter((call) => matches(call, asked)).sort(byAge);
  const ids = new Set(shown.map((call) => call.call_id));
  for (const [id, parts] of rows) {
    if (ids.has(id)) continue;
    parts.row.remove();
    rows.delete(id);
  }
  let place = byId("calls").firstElementChild;
  for (const call of shown) {
    let parts = rows.get(call.call_id);
    if (!parts) rows.set(call.call_id, (parts = makeRow(call.call_id)));
    fillRow(parts, call, now);
    if (parts.row === place) place = place.nextElementSibling;
    else byId("calls").insertBefore(parts.row, place);
  }
  put(byId("calls-count"), board.position === null ? "" : String(open.length));
  const hidden = open.length - shown.length;
  byId("filtered").hidden = hidden === 0;
  put(byId("filtered"), `${hidden} hidden by the search`);
  byId("empty").hidden = board.position === null || open.length > 0;
  put(byId("empty"), "No live calls. The connection is watched; the next call shows up here by itself.");
  document.querySelector(".calls").hidden = board.position !== null && open.length === 0;
}

// Alarms: severity by word and shape, so that no colour is needed to tell it

const SEVERITIES = { critical: ["▲", "Critical"], warning: ["◆", "Warning"], notice: ["●", "Notice"] };
const SEVERITY_ORDER = Object.keys(SEVERITIES);
const ALARMS = {
  age_seconds: (at) => `Too long: ${clock(at.value * 1000)}`,
  silence_seconds: (at) => `Silent for ${clock(at.value * 1000)}`,
  hangs: (at) => `The assistant hung ${at.value === 1 ? "once" : `${at.value} times`}`,
  unconfirmed: () => "Unconfirmed: the provider knows nothing of it",
  tools_failed: (at) => `Tools failed ${at.value} times`,
  webhook_silence_seconds: (at) => `No webhook for ${clock(at.value * 1000)} although calls go on`,
  missing_reports: (at) => `Reports missing: ${at.value}`,
  slots_used_percent: (at) => `Slots in use: ${at.detail}`,
  refused_calls: (at) => `Calls refused: ${at.value}, the last ${words(at.detail ?? "").replace("refused:", "for ")}`,
  minutes_used_percent: (at) => `Minutes of the plan used: ${at.detail}`,
  service_level_percent: (at) => `Service level today: ${Math.round(at.value)} %`,
  calls_with_tool_errors: (at) => `Calls whose tools failed repeatedly: ${at.value}`,
  repairs: (at) => `Live state repaired ${at.value === 1 ? "once" : `${at.value} times`} today`,
  unknown_ended_reasons: (at) => `Unknown ended reason: ${at.detail ?? at.value}`,
};

const alarmText = (incident) => ALARMS[incident.metric]?.(incident.evidence) ?? `${words(incident.rule)}: ${incident.evidence.value}`;
const severityRank = (incident) => SEVERITY_ORDER.indexOf(incident.severity);
const bySeverity = (a, b) => severityRank(a) - severityRank(b) || (a.opened_at < b.opened_at ? -1 : 1);
const items = new Map();

function makeAlarm(incidentId) {
  const severity = element("span", "severity");
  const text = element("span");
  const caller = element("button", "caller");
  caller.type = "button";
  caller.addEventListener("click", () => openCall(caller.dataset.callId));
  const age = element("span", "note number");
  const state = element("span", "note");
  const button = (word, action) => {
    const made = element("button", "", word);
    made.type = "button";
    made.addEventListener("click", () => act(incidentId, action, made));
    return made;
  };
  const acknowledge = button("Acknowledge", "acknowledge");
  const mute = button("Mute 15 min", "mute");
  const item = element(
    "li", "", severity, element("div", "what", text, caller), age, element("div", "actions", state, acknowledge, mute),
  );
  return { item, severity, text, caller, age, state, acknowledge, mute };
}

async function act(incidentId, action, button) {
  button.disabled = true;
  put(byId("alarms-fault"), "");
  try {
    const place = `/v1/organizations/${encodeURIComponent(organizationId)}/incidents/${incidentId}/${action}`;
    await ask(place, { method: "POST" });
  } catch (error) {
    put(byId("alarms-fault"), `Not done: ${error.message}. Try again.`);
  } finally {
    button.disabled = false;
  }
}

function fillAlarm(parts, incident, now) {
  const [shape, word] = SEVERITIES[incident.severity] ?? ["●", words(incident.severity)];
  const ended = incident.recovered_at ?? incident.resolved_at;
  const call = incident.evidence.call_id && board.calls.get(incident.evidence.call_id);
  const muted = incident.muted_until && now < Date.parse(incident.muted_until);
  set(parts.item, "severity", incident.severity);
  set(parts.item, "over", ended ? "yes" : "no");
  put(parts.severity, `${shape} ${word}`);
  put(parts.text, alarmText(incident));
  parts.caller.hidden = !call;
  put(parts.caller, call ? callerOf(call) : "");
  set(parts.caller, "callId", incident.evidence.call_id ?? "");
  put(parts.age, ended ? `${incident.recovered_at ? "recovered" : "resolved"} after ${clock(incident.lasted_seconds * 1000)}` : `for ${since(incident.opened_at, now)}`);
  const told = [incident.acknowledged_at && "acknowledged", muted && !ended && "muted"];
  put(parts.state, told.filter(Boolean).join(", "));
  parts.acknowledge.hidden = Boolean(ended || incident.acknowledged_at);
  parts.mute.hidden = Boolean(ended || muted);
}

function drawAlarms(now) {
  const open = [...board.incidents.values()].sort(bySeverity);
  over = over.filter((each) => now - Date.parse(each.recovered_at ?? each.resolved_at) < OVER_SHOWN_MS);
  const shown = [...open, ...over];
  const ids = new Set(shown.map((each) => each.incident_id));
  for (const [id, parts] of items) {
    if (ids.has(id)) continue;
    parts.item.remove();
    items.delete(id);
  }
  let place = byId("alarms").firstElementChild;
  for (const incident of shown) {
    let parts = items.get(incident.incident_id);
    if (!parts) items.set(incident.incident_id, (parts = makeAlarm(incident.incident_id)));
    fillAlarm(parts, incident, now);
    if (parts.item === place) place = place.nextElementSibling;
    else byId("alarms").insertBefore(parts.item, place);
  }
  byId("alarms-section").hidden = shown.length === 0;
  put(byId("alarms-count"), open.length ? String(open.length) : "");
}

function alarmMark(callId) {
  const own = [...board.incidents.values()].filter((each) => each.call_id === callId).sort(bySeverity);
  return own.length ? `${(SEVERITIES[own[0].severity] ?? ["●"])[0]} ${words(own[0].rule)}` : "";
}

// Recently ended

const endedAt = (call) => call.ended_at ?? call.evidence_at;

function drawEnded(now) {
  const ended = [...board.calls.values()].filter((call) => call.status === "ended");
  ended.sort((a, b) => (endedAt(a) < endedAt(b) ? 1 : -1));
  byId("ended-section").hidden = ended.length === 0;
  const list = byId("ended");
  const shown = ended.slice(0, ENDED_SHOWN);
  while (list.children.length > shown.length) list.lastElementChild.remove();
  shown.forEach((call, index) => {
    const item = list.children[index] ?? list.appendChild(makeEnded());
    const [caller, reason, report, when] = item.children;
    put(caller, callerOf(call));
    set(caller, "callId", call.call_id);
    put(reason, call.ended_reason ? words(call.ended_reason) : "reason not told yet");
    put(report, call.processed_at ? "processed" : `report ${call.report}`);
    set(report, "report", call.processed_at ? "processed" : call.report);
    put(when, `${since(endedAt(call), now)} ago` + (call.duration_seconds ? `, lasted ${clock(call.duration_seconds * 1000)}` : ""));
  });
}

function makeEnded() {
  const caller = element("button", "caller");
  caller.type = "button";
  caller.addEventListener("click", () => openCall(caller.dataset.callId));
  return element("li", "", caller, element("span", "reason"), element("span", "report"), element("span", "note number"));
}

// One call

function openCall(callId) {
  shownCall = callId;
  byId("transcript").replaceChildren();
  drawCall(serverNow());
  byId("call").showModal();
}

function drawCall(now) {
  const call = shownCall === null ? undefined : board.calls.get(shownCall);
  if (!call) return;
  put(byId("call-title"), callerOf(call));
  const facts = [words(call.status), call.assistant_name, `age ${since(call.answered_at ?? call.created_at, now)}`, `id ${call.call_id}`];
  put(byId("call-facts"), facts.filter(Boolean).join(" · "));
  const list = byId("transcript");
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  while (list.children.length > call.utterances.length) list.lastElementChild.remove();
  call.utterances.forEach((said, index) => {
    const item = list.children[index] ?? list.appendChild(element("li", "", element("strong"), element("span")));
    set(item, "role", speaker(said.role));
    item.classList.toggle("partial", !said.final);
    put(item.children[0], speaker(said.role));
    put(item.children[1], said.text);
  });
  if (call.utterances.length === 0) list.replaceChildren(element("li", "note", "Nothing was said yet."));
  if (atEnd) list.scrollTop = list.scrollHeight;
}

// The connection

function drawLink() {
  const now = Date.now();
  // Heartbeats come every five seconds: two missed are as good as a lost connection.
  const quietFrom = Math.min(link.heardAt ?? now, link.current ? now : link.blindAt);
  const stale = now - quietFrom >= STALE_MS;
  const fed = link.state === "live" && link.current && !stale;
  const state = fed ? "live" : stale ? "stale" : link.state === "live" ? "reconnecting" : link.state;
  const word = { live: "Live", stale: `Stale since ${timeOfDay(quietFrom)}`, reconnecting: "Reconnecting", connecting: "Connecting" }[state];
  set(byId("link"), "state", state);
  put(byId("link-word"), word);
  byId("board").classList.toggle("is-stale", stale);
  byId("banner").hidden = !stale;
  put(byId("banner"), `Not live. This is the board as of ${timeOfDay(quietFrom)}; it catches up by itself.`);
  document.title = board.counters && fed ? `${board.counters.live} live · ${board.organization.name}` : `${word} · Live calls`;
  return stale;
}

function serverNow() {
  return Date.now() + link.skew;
}

const handlers = {
  open() {},
  frame(frame) {
    changed = true;
    link.state = "live";
    link.heardAt = Date.now();
    if (frame.type === "heartbeat") {
      link.skew = Date.parse(frame.time) - Date.now();
      if (link.current && frame.current === false) link.blindAt = Date.now();
      link.current = frame.current ?? true;
    } else if (frame.type === "events") {
      link.current = true;
      const incidents = frame.events.filter((event) => event.type === "incident").map((event) => event.incident);
      over.push(...incidents.filter((each) => each.recovered_at ?? each.resolved_at));
    }
  },
  lost() {
    link.state = "reconnecting";
  },
};

let drawnSecond = 0;

function draw() {
  const stale = drawLink();
  const second = Math.floor(Date.now() / 1000);
  // Clocks stand still on a board that is not live, so that it looks like what it is.
  if (!document.hidden && board.position !== null && (changed || (!stale && second !== drawnSecond))) {
    const now = stale ? (link.heardAt ?? Date.now()) + link.skew : serverNow();
    put(byId("organization"), board.organization.name);
    byId("board").setAttribute("aria-busy", "false");
    drawTiles();
    drawAlarms(now);
    drawCalls(now);
    drawEnded(now);
    if (byId("call").open) drawCall(now);
    changed = false;
    drawnSecond = second;
  }
}

async function session() {
  for (;;) {
    try {
      const found = await ask("/v1/session");
      byId("sign-in").hidden = true;
      byId("board").hidden = byId("link").hidden = false;
      return found;
    } catch (error) {
      const signedOut = error instanceof SignedOut;
      byId("sign-in").hidden = !signedOut;
      byId("board").hidden = byId("link").hidden = signedOut && board.position === null;
      if (!signedOut) handlers.lost();
      await new Promise((resume) => setTimeout(resume, SIGN_IN_POLL_MS));
    }
  }
}

async function run() {
  for (;;) {
    const { organization_id, name } = await session();
    put(byId("organization"), name);
    organizationId = organization_id;
    try {
      await follow(board, organization_id, handlers);
    } catch (error) {
      if (!(error instanceof SignedOut)) throw error;
      handlers.lost();
    }
  }
}

byId("search").addEventListener("input", () => (changed = true));
byId("call").addEventListener("close", () => (shownCall = null));
document.addEventListener("visibilitychange", () => (changed = true));
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && document.activeElement !== byId("search") && !byId("call").open) {
    event.preventDefault();
    byId("search").focus();
  } else if (event.key === "Escape" && document.activeElement === byId("search")) {
    byId("search").value = "";
    byId("search").blur();
    changed = true;
  }
});
setInterval(draw, DRAW_MS);
run();
