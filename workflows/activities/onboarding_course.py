"""How every step of an onboarding goes: begun, carried out, and written down with what it changed; or taken back."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, TypeAlias
from uuid import UUID

from temporalio import activity
from temporalio.exceptions import ApplicationError

from storage.onboarding import Asked, OnboardingKey, Onboardings, Rows, StepRow
from storage.sealing import SealError
from workflows.activities.beating import beating
from workflows.errors import ProviderError, ProviderUnavailableError, RefusedError
from workflows.onboarding_contracts import (
    BEGIN_ONBOARDING,
    FAIL_STEP,
    FINISH_ONBOARDING,
    OnboardingRef,
    OnboardingState,
    Outcome,
    Step,
    StepFailure,
    StepState,
)

_IN_THE_WAY: Final = "; not taken back yet: "
_SETTLED: Final = frozenset({StepState.DONE, StepState.SKIPPED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What a step came to. `made`: by this onboarding, so that it is taken back with it. `rows` are written with it."""

    state: StepState = StepState.DONE
    detail: str | None = None
    facts: Mapping[str, str] = field(default_factory=dict[str, str])
    made: bool = False
    rows: Rows | None = None


def skipped(reason: str) -> Settled:
    """The step is left out, and why."""
    return Settled(state=StepState.SKIPPED, detail=reason)


Work: TypeAlias = Callable[[Asked, StepRow], Awaitable[Settled]]
"""Carries a step out. Raises ProviderError: `RefusedError` and `AbsentError` for good, others to be tried again."""

Undoing: TypeAlias = Callable[[Asked, StepRow], Awaitable[Rows | None]]
"""Takes a step back at its vendor; what is to be written with that. Whatever it raises is tried again."""


class OnboardingCourse:
    """The frame around the steps, and the activities that begin and end an onboarding. All are safe to repeat."""

    def __init__(self, store: Onboardings) -> None:
        self.store = store

    @activity.defn(name=BEGIN_ONBOARDING)
    async def begin_onboarding(self, ref: OnboardingRef) -> OnboardingState:
        """Take it up; where it stands then. One that nobody asked for has failed."""
        state = await self.store.begin(key_of(ref))
        return OnboardingState.FAILED if state is None else OnboardingState(state)

    @activity.defn(name=FAIL_STEP)
    async def fail_step(self, failure: StepFailure) -> None:
        """A step was given up."""
        await self.store.fail(key_of(failure.onboarding), failure.step, undoes=failure.undoes)

    @activity.defn(name=FINISH_ONBOARDING)
    async def finish_onboarding(self, outcome: Outcome) -> None:
        """It ends."""
        await self.store.finish(key_of(outcome.onboarding), outcome.state)

    async def carry_out(self, ref: OnboardingRef, step: Step, vendor: str, work: Work) -> StepState:
        """Carry a step out unless that was done. What is in the way stands with the step until it is no more."""
        key = key_of(ref)
        held = await self.store.begin_step(key, step)
        if held.state in _SETTLED:
            return StepState(held.state)
        asked = await self._asked(key)
        try:
            if asked.is_deleted:
                raise RefusedError("the organization was deleted")
            async with beating():
                settled = await work(asked, held)
        except (ProviderError, SealError) as failed:
            await self.store.hinder(key, step, f"{vendor}: {failed}")
            _heed(failed)
            raise
        row = StepRow(state=settled.state, detail=settled.detail, facts=settled.facts, made=settled.made)
        await self.store.settle(key, step, row, rows=settled.rows)
        return settled.state

    async def take_back(self, ref: OnboardingRef, step: Step, vendor: str, work: Undoing) -> None:
        """Take a step back, if there may be something: also one that failed may have been carried out."""
        key = key_of(ref)
        held = await self.store.step(key, step)
        if held is None or held.state in {StepState.SKIPPED, StepState.UNDONE}:
            return
        if held.state == StepState.DONE and not held.made:
            return
        if held.state == StepState.FAILED and not held.facts:
            # Refused before anything was asked for, by a wrong key say.
            return
        if held.state == StepState.DONE:
            held = StepRow(state=StepState.UNDOING, detail=held.detail, facts=held.facts, made=True)
            await self.store.settle(key, step, held)
        reason = (held.detail or "").partition(_IN_THE_WAY)[0]
        asked = await self._asked(key)
        try:
            async with beating():
                rows = await work(asked, held)
        except (ProviderError, SealError) as failed:
            await self.store.hinder(key, step, f"{reason}{_IN_THE_WAY}{vendor}: {failed}")
            _heed(failed)
            raise
        # The one that failed goes on telling so, and why.
        state = StepState.FAILED if held.state == StepState.FAILED else StepState.UNDONE
        await self.store.settle(key, step, StepRow(state=state, detail=reason or None), rows=rows)

    async def intend(self, asked: Asked, step: Step, facts: Mapping[str, str] | None = None) -> None:
        """Write down that the vendor is about to be asked to make something: from here on it may be there."""
        row = StepRow(state=StepState.RUNNING, facts=facts or {"asked": "yes"})
        await self.store.settle(asked.key, step, row)

    async def facts_of(self, asked: Asked, step: Step) -> Mapping[str, str] | None:
        """What an earlier step made or found; None: it was left out."""
        held = await self.store.step(asked.key, step)
        return held.facts if held is not None and held.state == StepState.DONE else None

    async def _asked(self, key: OnboardingKey) -> Asked:
        asked = await self.store.asked(key)
        if asked is None:
            raise AssertionError("an onboarding that was begun is there")
        return asked


def key_of(ref: OnboardingRef) -> OnboardingKey:
    """Its key in Postgres."""
    return OnboardingKey(organization_id=ref.organization_id, id=UUID(ref.onboarding_id))


def _heed(failed: Exception) -> None:
    """Have a step be tried again when its vendor asked for it, if it asked. Raises ApplicationError then."""
    if isinstance(failed, ProviderUnavailableError) and failed.retry_after_seconds is not None:
        kind, pause = type(failed).__name__, timedelta(seconds=failed.retry_after_seconds)
        raise ApplicationError(kind, type=kind, next_retry_delay=pause) from failed
