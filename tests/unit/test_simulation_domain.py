"""The pure domain, moved by any commands in any order, against a model that keeps observations and folds them anew."""

from datetime import date
from functools import reduce
from itertools import count
from random import Random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from actors.domain.call import Call, CallFields, CallStatus, Observation, Source, Utterance
from actors.domain.commands import (
    Command,
    Forget,
    Hear,
    NoteAbsent,
    NoteProcessed,
    NoteReportMissing,
    NoteTags,
    Observe,
)
from actors.domain.local_day import local_date
from actors.domain.measured import measured
from actors.domain.metrics import DayCounters
from actors.domain.organization import Organization, decide, evolve

START = 1_790_000_000_000
CALLS = st.sampled_from(["a", "b"])
TIMES = st.integers(START, START + 20)
FIELDS = st.builds(CallFields, customer_name=st.none() | st.sampled_from(["x", "y"]), answered_at=st.none() | TIMES)


class Domain(RuleBasedStateMachine):
    """`seen` holds what each call in memory was told; a forgotten one begins anew, as nobody recalls it here."""

    def __init__(self) -> None:
        super().__init__()
        day = local_date(START, "UTC")
        self.state = Organization(
            organization_id="organization", name="One", time_zone="UTC", today=DayCounters.of(day, "UTC")
        )
        self.seen: dict[str, list[Observation]] = {}
        self.notes: dict[str, dict[str, int]] = {}
        self.tagged: dict[str, tuple[int, tuple[str, ...]]] = {}
        self.heard: dict[str, int] = {}
        self.ended: set[str] = set()
        self.digests = count()

    def take(self, command: Command) -> int:
        decision = decide(self.state, command)
        self.state = evolve(self.state, decision.events)
        assert evolve(self.state, decision.events) == self.state, "an event applied again changes nothing"
        return len(decision.effects)

    @rule(call=CALLS, at=TIMES, told=TIMES, status=st.none() | st.sampled_from(CallStatus),
          source=st.sampled_from(Source), fields=FIELDS)  # fmt: skip
    def observe(  # noqa: PLR0917  # Hypothesis passes them by name
        self, call: str, at: int, told: int, status: CallStatus | None, source: Source, fields: CallFields
    ) -> None:
        digest = f"d{next(self.digests)}"
        observation = Observation(
            kind="message", source=source, received_at=at, at=told, digest=digest, status=status, fields=fields
        )
        known, over = call in self.seen, call in self.ended
        effects = self.take(Observe(call_id=call, observation=observation))
        self.seen.setdefault(call, []).append(observation)
        if status is CallStatus.ENDED:
            self.ended.add(call)
        assert effects == (not known) + (source is Source.REPORT) + (call in self.ended and not over)

    @rule(call=CALLS, at=TIMES, said=st.none() | st.builds(
        Utterance, role=st.just("user"), text=st.just("hello"), final=st.booleans(), at=TIMES))  # fmt: skip
    def hear(self, call: str, at: int, said: Utterance | None) -> None:
        self.take(Hear(call_id=call, at=at, utterance=said))
        if call in self.seen:
            self.heard[call] = max(self.heard.get(call, 0), at)

    @rule(call=CALLS, at=TIMES, note=st.sampled_from([NoteAbsent, NoteProcessed, NoteReportMissing]))
    def note(self, call: str, at: int, note: type[NoteAbsent | NoteProcessed | NoteReportMissing]) -> None:
        assert self.take(note(call_id=call, at=at)) == 0
        if call in self.seen:
            notes = self.notes.setdefault(call, {})
            notes[note.__name__] = max(notes.get(note.__name__, 0), at)

    @rule(call=CALLS, row_id=st.integers(1, 1_000), tags=st.sampled_from([(), ("a",), ("a", "b")]))
    def tag(self, call: str, row_id: int, tags: tuple[str, ...]) -> None:
        assert self.take(NoteTags(call_id=call, tags=tags, row_id=row_id)) == 0
        if call in self.seen and row_id > self.tagged.get(call, (0,))[0]:
            self.tagged[call] = (row_id, tags)

    @rule(before=TIMES)
    def forget(self, before: int) -> None:
        self.take(Forget(before=before))
        for call in [call for call in self.ended if self._evidence(call) < before]:
            for kept in (self.seen, self.notes, self.tagged, self.heard):
                kept.pop(call, None)
            self.ended.discard(call)

    @invariant()
    def calls_are_the_fold_of_their_observations_in_any_order(self) -> None:
        assert self.state.calls.keys() == self.seen.keys()
        for call_id, observations in self.seen.items():
            held, notes = self.state.calls[call_id], self.notes.get(call_id, {})
            shuffled = Random(len(observations)).sample(observations, len(observations))
            blank = Call(call_id=call_id, created_at=observations[0].received_at)
            folded = reduce(Call.merge, shuffled, blank)
            assert (held.status, held.fields, held.precedences) == (folded.status, folded.fields, folded.precedences)
            assert (held.reported_at, held.last_event_at) == (folded.reported_at, folded.last_event_at)
            assert held.evidence_at == self._evidence(call_id)
            assert held.absent_at == notes.get("NoteAbsent")
            assert held.processed_at == notes.get("NoteProcessed")
            assert held.report_missing == ("NoteReportMissing" in notes)
            assert (held.tagged_by, held.tags) == self.tagged.get(call_id, (0, ()))
            assert held.is_ended == (call_id in self.ended)

    @invariant()
    def counters_never_shrink_below_the_calls_in_memory(self) -> None:
        today = DayCounters.of(self.state.today.day, "UTC", map(measured, self.state.calls.values()))
        assert self.state.today.day != date.min
        assert today.calls <= self.state.today.calls
        assert today.ended <= self.state.today.ended

    def _evidence(self, call: str) -> int:
        return max([each.received_at for each in self.seen[call]] + [self.heard.get(call, 0)])


Domain.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None, database=None)
TestDomain = Domain.TestCase
