"""What organizations have at VAPI: held against how it must be, and brought back to that."""

from collections.abc import Awaitable, Callable
from collections.abc import Set as AbstractSet
from typing import Final
from uuid import UUID

import structlog

from actors.domain.json_types import JSON
from storage.provider_keys import VAPI, VAPI_PUBLIC
from storage.wiring import Line, Looked, ToRepair, WiringStore
from workflows.errors import AbsentError, ProviderError, ProviderUnavailableError, RefusedError
from workflows.vendors.vapi_account import Kind, VapiAccount
from workflows.vendors.vapi_wiring import Aspect, Wiring

_log = structlog.get_logger(__name__)

ABSENT: Final = "absent"
"""VAPI has no such assistant or number any more. It is not repaired: its calls have to be given to another."""

KeyOf = Callable[[str, str], Awaitable[str | None]]
"""A key of an organization, by its provider: None when it gave none or it cannot be opened."""


class WiringDesk:
    """Used by whoever looks at night and by whoever repairs. Every method is safe to repeat, and from many at once.

    `base_url` is where VAPI reaches us. `now` is ms of our clock.
    """

    def __init__(
        self, store: WiringStore, account: VapiAccount, *, key_of: KeyOf, base_url: str | None, now: Callable[[], int]
    ) -> None:
        self._store = store
        self._account = account
        self._key_of = key_of
        self._base_url = base_url
        self._now = now

    async def check(self, organization_id: str, *, beat: Callable[[], object] = lambda: None) -> bool:
        """Look at all that the organization registered, and note what differs; whether nothing does.

        A look that fails is noted where the organization sees it, and changes no finding. Raises
        ProviderUnavailableError.
        """
        try:
            key, wiring = await self._means(organization_id)
            looked: list[Looked] = []
            for line in await self._store.lines(organization_id):
                beat()
                looked.append(await self._look(key, wiring, line))
        except ProviderError as failed:
            reason = f"{type(failed).__name__}: {failed}"
            await self._store.note_failed(organization_id, reason=reason, at=self._now())
            if isinstance(failed, ProviderUnavailableError):
                raise
            return False
        await self._store.note(organization_id, looked, at=self._now())
        differ = [each for each in looked if each.aspects]
        for each in differ:
            _log.warning(
                "a provider's record is not ours any more",
                organization_id=organization_id,
                kind=each.line.kind,
                provider_id=each.line.provider_id,
                aspects=sorted(each.aspects),
            )
        return not differ

    async def repair(self, organization_id: str, finding_id: UUID | None = None) -> None:
        """Bring back what somebody wants repaired (all of the organization's, or one finding), and read it back.

        What VAPI refuses is given up, with the reason where the organization sees it. Raises ProviderUnavailableError,
        noted as well: then it is still wanted.
        """
        away: ProviderUnavailableError | None = None
        for finding in await self._store.to_repair(organization_id, finding_id):
            try:
                await self._repair(organization_id, finding)
            except ProviderUnavailableError as unanswered:
                away = unanswered
        if away is not None:
            raise away

    async def _repair(self, organization_id: str, finding: ToRepair) -> None:
        try:
            key, wiring = await self._means(organization_id)
            mended, left = await self._mend(key, wiring, finding)
        except AbsentError:
            await self._given_up(organization_id, finding, "the provider has no such record", {ABSENT})
        except ProviderUnavailableError as away:
            await self._store.not_repaired(organization_id, finding, reason=str(away), at=self._now(), given_up=False)
            raise
        except ProviderError as refused:
            await self._given_up(organization_id, finding, f"the provider refuses: {refused}")
        else:
            if left:
                told = ", ".join(sorted(left))
                await self._given_up(organization_id, finding, f"read back, it still differs: {told}", left)
            else:
                await self._store.repaired(organization_id, finding, mended, at=self._now())

    async def _mend(
        self, key: str, wiring: Wiring, finding: ToRepair
    ) -> tuple[AbstractSet[Aspect], AbstractSet[Aspect]]:
        """In what the record differed, and in what it does after it was written."""
        kind = _kind(finding.kind)
        record = await self._account.read(key, kind, finding.provider_id)
        before = _differences(wiring, kind, record)
        if not before:
            return before, before
        await self._account.update(key, kind, finding.provider_id, wiring.repair(record, before))
        return before, _differences(wiring, kind, await self._account.read(key, kind, finding.provider_id))

    async def _given_up(
        self, organization_id: str, finding: ToRepair, reason: str, aspects: AbstractSet[str] | None = None
    ) -> None:
        await self._store.not_repaired(
            organization_id, finding, reason=reason, at=self._now(), given_up=True, aspects=aspects
        )

    async def _look(self, key: str, wiring: Wiring, line: Line) -> Looked:
        at, kind = self._now(), _kind(line.kind)
        try:
            record = await self._account.read(key, kind, line.provider_id)
        except AbsentError:
            return Looked(line=line, aspects={ABSENT}, at=at)
        return Looked(line=line, aspects=_differences(wiring, kind, record), at=at)

    async def _means(self, organization_id: str) -> tuple[str, Wiring]:
        """By what VAPI is asked, and how it must be. Raises RefusedError where either is missing."""
        key = await self._key_of(organization_id, VAPI)
        if key is None:
            raise RefusedError("there is no key of VAPI that can be read")
        secrets = await self._store.secrets(organization_id)
        if secrets is None:
            raise RefusedError("there is no webhook secret")
        if self._base_url is None:
            raise RefusedError("PUBLIC_BASE_URL is not set")
        url = f"{self._base_url.rstrip('/')}/webhooks/vapi/{organization_id}"
        return key, Wiring(
            url=url,
            secret=secrets.newest,
            other_secrets=secrets.others,
            authenticates=await self._key_of(organization_id, VAPI_PUBLIC) is not None,
        )


def _kind(told: str) -> Kind:
    return "assistant" if told == "assistant" else "phone-number"


def _differences(wiring: Wiring, kind: Kind, record: dict[str, JSON]) -> AbstractSet[Aspect]:
    return wiring.assistant_differences(record) if kind == "assistant" else wiring.number_differences(record)
