"""A class made quick is as `dataclasses` made it: by its values, its defaults, its refusals, and when it is pickled."""

import inspect
import pickle
from collections.abc import Mapping
from dataclasses import FrozenInstanceError, dataclass, field, fields, replace
from typing import Any

import pytest

from actors.domain.call import Call, CallFields
from actors.domain.effects import SignalProcessing
from actors.domain.quick import quick


@dataclass(frozen=True, slots=True)
class Plain:
    first: int
    second: str = "two"
    third: Mapping[str, int] = field(default_factory=dict[str, int])
    fourth: bool = field(default=True, kw_only=True)


@quick
@dataclass(frozen=True, slots=True)
class Quick:
    first: int
    second: str = "two"
    third: Mapping[str, int] = field(default_factory=dict[str, int])
    fourth: bool = field(default=True, kw_only=True)


@pytest.mark.parametrize(
    ("given", "named"), [((1,), {}), ((1, "b"), {"fourth": False}), ((), {"first": 1, "third": {"a": 1}})]
)
def test_it_takes_what_the_plain_one_takes(given: Any, named: Any) -> None:
    plain, made = Plain(*given, **named), Quick(*given, **named)
    assert [getattr(made, each.name) for each in fields(made)] == [getattr(plain, each.name) for each in fields(plain)]
    assert list(inspect.signature(Quick).parameters) == list(inspect.signature(Plain).parameters)


@pytest.mark.parametrize(("given", "named"), [((), {}), ((1, "b", None, False), {}), ((1,), {"fifth": 1})])
def test_it_refuses_what_the_plain_one_refuses(given: Any, named: Any) -> None:
    for cls in (Plain, Quick):
        with pytest.raises(TypeError):
            cls(*given, **named)


def test_it_stays_frozen_and_shares_no_default() -> None:
    one, other = Quick(1), Quick(1)
    with pytest.raises(FrozenInstanceError):
        one.first = 2  # pyright: ignore[reportAttributeAccessIssue]  # that is what is tried
    assert one == other
    assert one.third is not other.third
    assert type(one) is Quick


def test_it_is_copied_hashed_and_pickled_as_ever() -> None:
    call = Call(call_id="a", created_at=1, fields=CallFields(type="inbound"))
    assert replace(call, version=2).version == 2
    assert pickle.loads(pickle.dumps(call)) == call  # noqa: S301  # made a line above
    effect = SignalProcessing(call_id="a", effect="processing:seen")
    assert {effect: 1}[SignalProcessing(call_id="a", effect="processing:seen")] == 1
