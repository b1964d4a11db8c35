/* Made from serve/live/protocol.py and serve/live/views.py by `make schema`; a test holds it current. Do not edit. */

/** The last command that somebody gave a call within the last minute. */
export interface Actor {
  readonly subject: string;
  readonly name: string | null;
  readonly call_id: string;
  /** `say`, `whisper`, `mute`, `unmute`, `transfer`, `end`; others may come. */
  readonly action: string;
  readonly at: string;
}

/** A call of a snapshot: its record and the last of what was said, oldest first, 30 at most. */
export interface BoardCall {
  readonly call_id: string;
  readonly status: CallStatus;
  /** The provider's word, as `inboundPhoneCall`. */
  readonly type: string | null;
  readonly direction: string | null;
  readonly assistant_id: string | null;
  readonly assistant_name: string | null;
  readonly from_number: string | null;
  readonly to_number: string | null;
  readonly customer_name: string | null;
  readonly campaign_id: string | null;
  readonly transferred_to: string | null;
  /** First seen. */
  readonly created_at: string;
  readonly ringing_at: string | null;
  readonly answered_at: string | null;
  readonly ended_at: string | null;
  /** The provider's word, of an open set. */
  readonly ended_reason: string | null;
  readonly ended_class: EndedClass | null;
  readonly fault_owner: FaultOwner | null;
  /** Answered to ended. */
  readonly duration_seconds: number | null;
  readonly cost_usd: number | null;
  readonly tool_calls: number;
  /** How often the provider told that the assistant kept the caller waiting. */
  readonly hangs: number;
  readonly conversation: ConversationView;
  /** The end-of-call report, which follows the end by seconds. */
  readonly report: "pending" | "received" | "missing";
  /** When everything that follows a call was done. */
  readonly processed_at: string | null;
  /** The last sign of the call. Its age is for the client to tell. */
  readonly evidence_at: string;
  /** Which message that was, or `speech`. */
  readonly evidence_kind: string;
  /** When its provider, asked, knew nothing of it: not before `evidence_at` means *unconfirmed*. */
  readonly absent_at: string | null;
  /** `accepted`, `accepted:…`, `refused:…`; null when it never asked. */
  readonly admission: string | null;
  /** When an operator freed the call's slot. */
  readonly released_at: string | null;
  /** What people sort it by: short words, ordered, 10 at most. */
  readonly tags: ReadonlyArray<string>;
  /** Grows with each change of the record. */
  readonly version: number;
  readonly utterances: ReadonlyArray<UtteranceView>;
}

/** The whole board: calls by `created_at`, ended ones for an hour; open incidents by `opened_at`. */
export interface BoardState {
  readonly organization: OrganizationView;
  readonly calls: ReadonlyArray<BoardCall>;
  readonly counters: CountersView;
  readonly incidents: ReadonlyArray<LiveIncident>;
}

/** Everything that follows a call was done; its record is now `call`. */
export interface CallCompletedEvent {
  readonly type: "call-completed";
  readonly kind: "call-processed";
  readonly call: CallView;
}

/** A call's record is now `call`; what was said in it stays. */
export interface CallEvent {
  readonly type: "call";
  /** The message that changed it. */
  readonly kind: string;
  readonly call: CallView;
}

/** An ended call left the board. Its record is kept, and the REST API has it. */
export interface CallRemovedEvent {
  readonly type: "call-removed";
  readonly call_id: string;
}

/** VAPI's statuses. A status moves only up in rank. */
export type CallStatus = "scheduled" | "queued" | "ringing" | "in-progress" | "forwarding" | "ended";

/** One call's record, whole. Times of the call are its provider's; `created_at` and evidence are of our clock. */
export interface CallView {
  readonly call_id: string;
  readonly status: CallStatus;
  /** The provider's word, as `inboundPhoneCall`. */
  readonly type: string | null;
  readonly direction: string | null;
  readonly assistant_id: string | null;
  readonly assistant_name: string | null;
  readonly from_number: string | null;
  readonly to_number: string | null;
  readonly customer_name: string | null;
  readonly campaign_id: string | null;
  readonly transferred_to: string | null;
  /** First seen. */
  readonly created_at: string;
  readonly ringing_at: string | null;
  readonly answered_at: string | null;
  readonly ended_at: string | null;
  /** The provider's word, of an open set. */
  readonly ended_reason: string | null;
  readonly ended_class: EndedClass | null;
  readonly fault_owner: FaultOwner | null;
  /** Answered to ended. */
  readonly duration_seconds: number | null;
  readonly cost_usd: number | null;
  readonly tool_calls: number;
  /** How often the provider told that the assistant kept the caller waiting. */
  readonly hangs: number;
  readonly conversation: ConversationView;
  /** The end-of-call report, which follows the end by seconds. */
  readonly report: "pending" | "received" | "missing";
  /** When everything that follows a call was done. */
  readonly processed_at: string | null;
  /** The last sign of the call. Its age is for the client to tell. */
  readonly evidence_at: string;
  /** Which message that was, or `speech`. */
  readonly evidence_kind: string;
  /** When its provider, asked, knew nothing of it: not before `evidence_at` means *unconfirmed*. */
  readonly absent_at: string | null;
  /** `accepted`, `accepted:…`, `refused:…`; null when it never asked. */
  readonly admission: string | null;
  /** When an operator freed the call's slot. */
  readonly released_at: string | null;
  /** What people sort it by: short words, ordered, 10 at most. */
  readonly tags: ReadonlyArray<string>;
  /** Grows with each change of the record. */
  readonly version: number;
}

/** How a call is talked: from speech as it is heard, exact once the report came. */
export interface ConversationView {
  readonly exact: boolean;
  /** The assistant's first audio. */
  readonly first_word_at: string | null;
  /** Answers whose latency is known. */
  readonly turns: number;
  /** End of the caller's words to the start of the answer. */
  readonly turn_latency_p50_ms: number | null;
  readonly turn_latency_p95_ms: number | null;
  readonly turn_latency_max_ms: number | null;
  /** In pauses of more than 2 s in which nobody spoke. */
  readonly silence_seconds: number | null;
  /** How often the caller spoke into the assistant's words. */
  readonly interruptions: number;
  readonly tools_failed: number;
}

/** The figures are now these. */
export interface CountersEvent {
  readonly type: "counters";
  readonly counters: CountersView;
}

/** Figures over the whole organization, as values: a client counts nothing. */
export interface CountersView {
  /** Calls that ring or are talked, refused ones apart. */
  readonly live: number;
  /** Of the live ones, those without any sign for a quarter of an hour, and those of which their provider, asked, knew nothing. */
  readonly stale: number;
  /** Scheduled or queued. */
  readonly waiting: number;
  readonly today: DayFigures;
}

/** One day of the organization's time zone. Shares lie in 0 to 1; null where nothing was there to be measured. */
export interface DayFigures {
  readonly date: string;
  /** First seen on the day. */
  readonly calls: number;
  /** Inbound. */
  readonly offered: number;
  readonly answered: number;
  readonly refused: number;
  /** refused / calls */
  readonly refused_share: number | null;
  /** Inbound, ended, never answered; the short ones among them. */
  readonly abandoned: number;
  /** Within 5 s: in no numerator and no denominator. */
  readonly short_abandoned: number;
  /** (abandoned - short_abandoned) / service_level_n */
  readonly abandoned_share: number | null;
  readonly ended: number;
  readonly talk_seconds: number;
  readonly cost_usd: number;
  /** Most calls live at one moment, exactly; calls over midnight count. */
  readonly peak_live: number;
  readonly peak_at: string | null;
  /** Seconds of live calls / seconds of the day up to average_until. */
  readonly average_live: number | null;
  readonly average_until: string | null;
  /** Seconds at or above the limit of calls at once that held then / seconds of the day up to average_until; null if there was none all the time. */
  readonly saturated_share: number | null;
  /** Seconds of live calls / the limit that held then, summed over those seconds; time without a limit is in neither, and null if there was none all the time. */
  readonly capacity_share: number | null;
  /** Answered within service_level_seconds / service_level_n */
  readonly service_level_share: number | null;
  /** Answered + abandoned - short_abandoned, inbound. */
  readonly service_level_n: number;
  readonly service_level_seconds: number;
  /** Offered to answered, mean, inbound (ASA). */
  readonly answer_seconds: number | null;
  readonly answer_n: number;
  /** Answered to ended or handed over, mean (AHT). */
  readonly handle_seconds: number | null;
  readonly handle_n: number;
  /** Answered to the assistant's first audio. */
  readonly first_word_p50_ms: number | null;
  readonly first_word_p95_ms: number | null;
  readonly first_word_n: number;
  /** End of the caller's words to the start of the answer. */
  readonly turn_latency_p50_ms: number | null;
  readonly turn_latency_p95_ms: number | null;
  readonly turn_latency_n: number;
  /** Ended to our receipt of the report. */
  readonly post_processing_p50_ms: number | null;
  readonly post_processing_p95_ms: number | null;
  readonly post_processing_n: number;
  /** Outbound calls that were placed and are over. */
  readonly attempted: number;
  /** Answered, voicemail apart / attempted */
  readonly connected_share: number | null;
  readonly voicemails: number;
  /** How many of the attempted ended for a reason of each class; voicemail is apart. */
  readonly attempted_outcomes?: Readonly<Record<string, number>>;
  /** Without a transfer, and the caller did not hang up within 10 s of the answer / contained_n */
  readonly contained_share: number | null;
  /** Answered and ended. */
  readonly contained_n: number;
  /** Evaluated true / evaluated */
  readonly succeeded_share: number | null;
  /** Calls that the provider evaluated as true or false. */
  readonly evaluated: number;
  /** Ended calls without such a verdict. */
  readonly not_evaluated: number;
  /** Pauses over 2 s / talk. */
  readonly silence_share: number | null;
  readonly tool_calls: number;
  /** Failed or without result / tool_calls */
  readonly tool_error_share: number | null;
  /** Call of a tool to its result. */
  readonly tool_latency_p50_ms: number | null;
  readonly tool_latency_p95_ms: number | null;
  readonly tool_latency_n: number;
  readonly interruptions: number;
  /** Received minus occurred. */
  readonly webhook_lag_p50_ms: number | null;
  readonly webhook_lag_p95_ms: number | null;
  readonly webhook_lag_n: number;
  /** Webhooks received before they occurred. */
  readonly clock_skewed: number;
  readonly reports_missing: number;
  /** reports_missing / ended */
  readonly reports_missing_share: number | null;
  /** That told when they occurred. */
  readonly webhooks: number;
  readonly duplicates: number;
  /** 1000 * duplicates / webhooks */
  readonly duplicates_per_1000: number | null;
  readonly reorders: number;
  readonly reorders_per_1000: number | null;
  /** Times when memory and Postgres differed, and were made one again. */
  readonly repairs: number;
  readonly repairs_per_1000: number | null;
}

/** What happened to the call. */
export type EndedClass = "completed" | "not-reached" | "transferred" | "transfer-failed" | "start-failed" | "platform-fault" | "provider-fault" | "transport" | "limit" | "unknown";

/** What brings a board from `after` to `position`. Dropped by a client whose position is not smaller. A client whose position is smaller than `after` has lost a frame on the way: it resumes from where it is. */
export interface EventsFrame {
  readonly type: "events";
  readonly position: Position;
  readonly after: Position;
  readonly events: ReadonlyArray<LiveEvent>;
}

/** A sign that the call goes on, and how it is talked. */
export interface EvidenceEvent {
  readonly type: "evidence";
  readonly call_id: string;
  readonly evidence_at: string;
  readonly conversation: ConversationView;
}

/** Who has to act, if anyone. */
export type FaultOwner = "nobody" | "customer" | "organization" | "vapi" | "provider" | "carrier" | "unknown";

/** Every 5 s, and at once after a resumption that missed nothing. Three missed: the connection is dead. Its position is that of the last frame: a client whose position is smaller has lost one, and resumes. */
export interface HeartbeatFrame {
  readonly type: "heartbeat";
  readonly position: Position;
  /** The server's clock. */
  readonly time: string;
  /** False while the feed cannot be read: the board may be older than `time`. */
  readonly current: boolean;
}

/** An incident is now `incident`. */
export interface IncidentEvent {
  readonly type: "incident";
  readonly kind: "opened" | "acknowledged" | "muted" | "recovered" | "resolved";
  readonly incident: LiveIncident;
}

/** What an incident opened on. */
export interface IncidentEvidenceView {
  /** In the unit of the metric's name. */
  readonly value: number;
  /** Since when the rule was breached. */
  readonly since: string;
  readonly call_id: string | null;
  readonly detail: string | null;
}

export type LiveEvent = CallEvent | CallCompletedEvent | UtteranceEvent | EvidenceEvent | CallRemovedEvent | StateRepairedEvent | OrganizationEvent | IncidentEvent | CountersEvent | WallboardFiguresEvent | WallboardAlarmEvent;

export type LiveFrame = SnapshotFrame | WallboardFrame | EventsFrame | HeartbeatFrame | PresenceFrame;

/** One breach of a rule. An open one has neither `recovered_at` nor `resolved_at`. */
export interface LiveIncident {
  readonly incident_id: string;
  readonly rule: string;
  readonly metric: Metric;
  readonly scope: Scope;
  readonly severity: Severity;
  /** In the unit of the metric's name. */
  readonly threshold: number;
  /** The call it is about; null for the organization as a whole. */
  readonly call_id: string | null;
  readonly evidence: IncidentEvidenceView;
  readonly opened_at: string;
  readonly acknowledged_at: string | null;
  readonly acknowledged_by: string | null;
  readonly muted_until: string | null;
  readonly recovered_at: string | null;
  readonly resolved_at: string | null;
  readonly resolved_by: string | null;
  /** Opening to end; null while open. */
  readonly lasted_seconds: number | null;
}

/** What can be watched; `actors.domain.readings` says how each is measured. Names carry their units. */
export type Metric = "age_seconds" | "silence_seconds" | "hangs" | "unconfirmed" | "tools_failed" | "webhook_silence_seconds" | "missing_reports" | "unknown_ended_reasons" | "slots_used_percent" | "refused_calls" | "minutes_used_percent" | "repairs" | "service_level_percent" | "calls_with_tool_errors" | "wiring_differences";

/** The organization's settings are now these. */
export interface OrganizationEvent {
  readonly type: "organization";
  readonly name: string;
  readonly time_zone: string;
}

/** Whose board it is. */
export interface OrganizationView {
  readonly organization_id: string;
  readonly name: string;
  /** IANA name; the day of `counters.today` is its. */
  readonly time_zone: string;
}

/** `<epoch>-<n>`, ordered as two numbers of 64 bits; within an epoch `n` has no holes. */
export type Position = string;

/** Who watches this board and who acts on its calls, whole: it takes the place of the one before. Within a second at one hub, 2 s between hubs; what a hub that died told is gone after 8 s, the call that a page had open half a minute after the page told of it last. It has no position. */
export interface PresenceFrame {
  readonly type: "presence";
  /** Longest there first. */
  readonly watching: ReadonlyArray<Watcher>;
  /** So many more credentials watch. */
  readonly more: number;
  /** Newest first, 20 at most. */
  readonly acting: ReadonlyArray<Actor>;
}

/** What a metric is measured of: each live call, or the organization as a whole. */
export type Scope = "call" | "fleet";

/** How soon somebody has to look. */
export type Severity = "critical" | "warning" | "notice";

/** The whole board as of `position`, in place of what the client has. */
export interface SnapshotFrame {
  readonly type: "snapshot";
  readonly position: Position;
  /** `first`: nothing was asked for. `gap`: what followed the client's position is not known any more. `epoch`: another owner has begun. */
  readonly reason: "first" | "gap" | "epoch";
  readonly state: BoardState;
}

/** Memory and database had differed and were made one again; so often on this day. */
export interface StateRepairedEvent {
  readonly type: "state-repaired";
  readonly repairs: number;
}

/** Something was said: it follows the others, in place of partial ones of its role. */
export interface UtteranceEvent {
  readonly type: "utterance";
  readonly call_id: string;
  readonly evidence_at: string;
  readonly utterance: UtteranceView;
}

/** Something said. A partial one is replaced by the next of the same role. */
export interface UtteranceView {
  /** `user` is the caller, `assistant` answers; others are the provider's. */
  readonly role: string;
  readonly text: string;
  readonly final: boolean;
  readonly at: string;
}

/** An open incident, without what it is about. A later one of the same `alarm_id` takes its place. */
export interface WallboardAlarm {
  readonly alarm_id: string;
  /** Tells an incident from the next of the same `alarm_id`. */
  readonly incident: string;
  readonly severity: Severity;
  readonly acknowledged: boolean;
}

/** To wallboards: an incident opened, changed, or (`open` false) ended. */
export interface WallboardAlarmEvent {
  readonly type: "wallboard-alarm";
  readonly alarm: WallboardAlarm;
  readonly open: boolean;
}

/** The day's figures that a wallboard shows. */
export interface WallboardDay {
  readonly date: string;
  readonly calls: number;
  readonly answered: number;
  readonly refused: number;
  readonly abandoned: number;
  readonly peak_live: number;
  readonly peak_at: string | null;
  readonly service_level_share: number | null;
  readonly service_level_n: number;
  readonly service_level_seconds: number;
  readonly answer_seconds: number | null;
  readonly answer_n: number;
  readonly handle_seconds: number | null;
  readonly handle_n: number;
  readonly turn_latency_p95_ms: number | null;
  readonly turn_latency_n: number;
  readonly webhook_lag_p95_ms: number | null;
  readonly webhook_lag_n: number;
}

/** The figures that a wallboard shows; each means what it means in the counters. */
export interface WallboardFigures {
  readonly live: number;
  readonly stale: number;
  readonly waiting: number;
  readonly today: WallboardDay;
}

/** To wallboards: the figures are now these. */
export interface WallboardFiguresEvent {
  readonly type: "wallboard-figures";
  readonly figures: WallboardFigures;
}

/** What who may see no more is sent in place of a snapshot: the whole wallboard as of `position`. */
export interface WallboardFrame {
  readonly type: "wallboard";
  readonly position: Position;
  /** As a snapshot's. */
  readonly reason: "first" | "gap" | "epoch";
  readonly state: WallboardState;
}

/** What a board on a wall shows: figures, and nothing of any caller. */
export interface WallboardState {
  readonly organization: OrganizationView;
  readonly figures: WallboardFigures;
  /** Those open. */
  readonly alarms: ReadonlyArray<WallboardAlarm>;
}

/** A credential with open sockets, at all hubs together. */
export interface Watcher {
  /** `user:` or `key:` and an id: whom `acknowledged_by` and the audit log name. */
  readonly subject: string;
  /** What the organization calls them; null for people who gave no name. */
  readonly name: string | null;
  readonly since: string;
  readonly sockets: number;
  /** Which calls it has open, 8 at most, in the order of their ids. */
  readonly calls: ReadonlyArray<string>;
}
