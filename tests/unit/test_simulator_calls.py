"""What the simulator invents: repeatable, of real sizes, and with a truth that the domain's own fold arrives at."""

import io
import itertools
import wave
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from random import Random

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.domain.call import Call
from actors.domain.commands import InboxRow, command_from
from actors.domain.metrics import DayCounters
from actors.domain.organization import Organization, decide, evolve
from serve.simulator.bodies import body_of, call_record
from serve.simulator.calls import scripted_calls
from serve.simulator.mischief import Delivery, Mischief, deliveries, expected_of
from serve.simulator.script import Expected, ScriptedCall, expected
from serve.simulator.wav import recording
from workflows.vendors.vapi_message import parse_message
from workflows.vendors.vapi_wire import artifact_of, record_facts

STARTS_AT = 1_790_000_000_000
CALLS = scripted_calls(11, 120, starts_at=STARTS_AT)

shares = st.floats(0, 1)
mischiefs = st.builds(Mischief, duplicate=shares, reorder=shares, delay=shares, drop_report=shares, drop_ended=shares)


def bodies(calls: Iterable[ScriptedCall]) -> list[bytes]:
    return [body_of(call, message) for call in calls for message in call.messages]


def fold(sent: Iterable[Delivery]) -> dict[str, Call]:
    """The calls as the domain sees them after these deliveries, each event once, in this order."""
    state = Organization(organization_id="o", name="", time_zone="UTC", today=DayCounters(day=date(2026, 9, 21)))
    known: set[str] = set()
    for number, delivery in enumerate(sent):
        body = body_of(delivery.call, delivery.message, delivery=delivery.number)
        parsed = parse_message(body, received_at=delivery.send_at)
        if parsed.event_key in known:
            continue
        known.add(parsed.event_key)
        row = InboxRow(
            id=number,
            provider="vapi",
            event_key=parsed.event_key,
            type="call-seen" if parsed.chatter else parsed.type,
            call_id=parsed.call_id,
            facts=parsed.facts,
            occurred_at=parsed.occurred_at,
            received_at=delivery.send_at,
        )
        state = evolve(state, decide(state, command_from(row)).events)
    return dict(state.calls)


def found(call: Call) -> Expected:
    return Expected(
        status=str(call.status),
        ended_reason=call.fields.ended_reason,
        duration_ms=call.duration_ms,
        cost_micros=call.fields.cost_micros,
        transcript=None,
        tool_calls=len(call.tool_call_ids),
        hangs=call.hangs,
        report=call.reported_at is not None,
    )


def test_same_seed_gives_the_same_bytes() -> None:
    again = scripted_calls(11, 120, starts_at=STARTS_AT)
    assert bodies(again[:20]) == bodies(CALLS[:20])
    assert bodies(scripted_calls(12, 5, starts_at=STARTS_AT)) != bodies(CALLS[:5])


def test_a_later_run_with_the_same_seed_is_about_new_calls() -> None:
    later = scripted_calls(11, 120, starts_at=STARTS_AT + 1)
    assert not {call.call_id for call in later} & {call.call_id for call in CALLS}
    assert len({call.call_id for call in CALLS}) == len(CALLS)


def test_bodies_are_as_large_as_captured_ones() -> None:
    sizes: dict[str, list[int]] = {}
    for call in CALLS:
        if call.kind == "webCall" or call.answered_at is None:
            continue
        for message in call.messages:
            sizes.setdefault(message.type, []).append(len(body_of(call, message)))
    assert min(map(min, sizes.values())) >= 19_000
    assert max(map(max, sizes.values())) <= 52_000
    reports = sorted(sizes["end-of-call-report"])
    assert 38_000 <= reports[len(reports) // 2] <= 50_000


def test_every_kind_of_call_and_message_occurs() -> None:
    assert Counter(call.kind for call in CALLS).keys() == {"inboundPhoneCall", "outboundPhoneCall", "webCall"}
    assert {message.type for call in CALLS for message in call.messages} == {
        "status-update",
        "speech-update",
        "transcript",
        "conversation-update",
        "tool-calls",
        "hang",
        "user-interrupted",
        "end-of-call-report",
    }
    assert len({call.ended_reason for call in CALLS}) >= 8
    assert any(call.transferred_to for call in CALLS)


def test_messages_are_told_in_order_and_a_call_ends_when_the_wall_clock_says() -> None:
    for speed in (1.0, 10.0):
        for call in scripted_calls(5, 20, starts_at=STARTS_AT, speed=speed):
            times = [message.at for message in call.messages]
            assert times == sorted(times)
            assert call.wall_ms(call.ended_at) == pytest.approx(call.began_at + call.ended_at, abs=1)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), mischief=mischiefs, order=st.randoms(use_true_random=False))
def test_whatever_is_sent_in_any_order_leads_to_what_is_expected(seed: int, mischief: Mischief, order: Random) -> None:
    calls = Random(seed).sample(CALLS, 3)
    sent = deliveries(calls, mischief, seed=seed)
    order.shuffle(sent)
    folded = fold(sent)
    for call in calls:
        truth = expected_of(call, [each for each in sent if each.call is call])
        assert found(folded[call.call_id]) == replace(truth, transcript=None)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), mischief=mischiefs)
def test_mischief_loses_only_what_it_was_told_to(seed: int, mischief: Mischief) -> None:
    calls = CALLS[:4]
    sent = deliveries(calls, mischief, seed=seed)
    assert sent == deliveries(calls, mischief, seed=seed)
    assert [each.send_at for each in sent] == sorted(each.send_at for each in sent)
    first = [(each.call.call_id, id(each.message)) for each in sent if each.number == 0]
    assert len(first) == len(set(first))
    lost = {id(message) for call in calls for message in call.messages} - {message for _, message in first}
    for message in itertools.chain.from_iterable(call.messages for call in calls):
        if id(message) in lost:
            assert message.type == "end-of-call-report" or message.content.get("status") == "ended"


@pytest.mark.parametrize(
    ("mischief", "share"),
    [
        (Mischief(duplicate=1.0), 2.0),
        (Mischief(), 1.0),
        (Mischief(reorder=1.0, delay=1.0), 1.0),
    ],
)
def test_shares_are_what_they_say(mischief: Mischief, share: float) -> None:
    messages = sum(len(call.messages) for call in CALLS)
    assert len(deliveries(CALLS, mischief, seed=1)) == messages * share


def test_repeated_reports_differ_in_their_urls_alone() -> None:
    call = next(call for call in CALLS if call.answered_at is not None)
    first, second = (orjson.loads(body_of(call, call.messages[-1], delivery=number)) for number in (0, 1))
    assert first != second
    for body in (first, second):
        del body["message"]["artifact"]["presignedMonoUrl"]
    assert first == second


def test_report_and_record_tell_the_whole_truth() -> None:
    for call in CALLS:
        report = artifact_of(body_of(call, call.messages[-1]))
        record = call_record(call, call.messages[-1].at)
        truth = expected(call)
        assert (report.transcript, report.cost_micros) == (truth.transcript, truth.cost_micros)
        assert artifact_of(record).transcript == truth.transcript
        fields = record_facts(record)["fields"]
        assert isinstance(fields, dict)
        assert fields["ended_reason"] == truth.ended_reason
        assert fields["cost_micros"] == truth.cost_micros


def test_record_of_a_running_call_tells_no_end() -> None:
    call = next(call for call in CALLS if call.answered_at is not None)
    record = call_record(call, call.answered_at or 0)
    assert record["status"] == "in-progress"
    assert not {"endedAt", "endedReason", "artifact"} & record.keys()


@pytest.mark.parametrize(("seconds", "frames"), [(0.0, 0), (1.25, 5_000), (90.0, 240_000)])
def test_recordings_are_sound_files_of_their_call(seconds: float, frames: int) -> None:
    file = recording("a", seconds)
    assert file == recording("a", seconds)
    with wave.open(io.BytesIO(file)) as sound:
        assert (sound.getnchannels(), sound.getsampwidth(), sound.getframerate()) == (1, 1, 4_000)
        assert sound.getnframes() == frames
    assert not frames or recording("b", seconds) != file
