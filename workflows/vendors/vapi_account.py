"""An account's assistants and telephone numbers at VAPI, which knows no idempotency key: look first, then create."""

from types import TracebackType
from typing import Final, Literal, Self, TypeAlias
from urllib.parse import quote

import orjson

from actors.domain.json_types import JSON
from workflows.errors import AbsentError, AmbiguousError, ProviderUnavailableError, RefusedError
from workflows.vendors.vapi_values import WireError, decode, mapping, sequence, text
from workflows.vendors.vendor_http import VendorHttp, failure

_PAGE: Final = 1_000
_SAFE: Final = "GET"

Kind: TypeAlias = Literal["assistant", "phone-number"]


class VapiAccount:
    """Asks VAPI, each thing once. Records come as VAPI tells them, secrets included: they are not for storing.

    Every method raises AbsentError, RefusedError and ProviderUnavailableError; those that change something also
    AmbiguousError. Used as an async context manager, one per process.
    """

    def __init__(self, base_url: str) -> None:
        self._http = VendorHttp()
        self._base = base_url.rstrip("/")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.close()

    async def create_assistant(self, key: str, *, name: str, settings: dict[str, JSON]) -> str:
        """The id of the assistant of this name (at most 40 characters), created with `settings` if there is none.

        Safe to repeat one after the other, also after an AmbiguousError; twins at once may both create.
        """
        found = await self.assistant_named(key, name)
        return found or _id(await self._ask("POST", key, "assistant", {**settings, "name": name}))

    async def import_twilio_number(
        self, key: str, *, number: str, account_sid: str, token: str, settings: dict[str, JSON]
    ) -> str:
        """The id under which VAPI knows a number bought at Twilio, imported with `settings` if it is not known.

        Safe to repeat as `create_assistant` is.
        """
        found = await self.number_known(key, number)
        if found is not None:
            return found
        wanted: dict[str, JSON] = {
            **settings,
            "provider": "twilio",
            "number": number,
            "twilioAccountSid": account_sid,
            "twilioAuthToken": token,
        }
        return _id(await self._ask("POST", key, "phone-number", wanted))

    async def assistant_named(self, key: str, name: str) -> str | None:
        """The id of the assistant of this name. Raises RefusedError when there are too many to look through."""
        return await self._find(key, "assistant", "name", name)

    async def number_known(self, key: str, number: str) -> str | None:
        """The id under which VAPI knows a number in E.164. Raises as `assistant_named`."""
        return await self._find(key, "phone-number", "number", number)

    async def read(self, key: str, kind: Kind, record_id: str) -> dict[str, JSON]:
        """VAPI's record."""
        return mapping(await self._ask("GET", key, _path(kind, record_id)))

    async def update(self, key: str, kind: Kind, record_id: str, settings: dict[str, JSON]) -> None:
        """Set these members to these values; the others stay. Safe to repeat."""
        await self._ask("PATCH", key, _path(kind, record_id), settings)

    async def delete(self, key: str, kind: Kind, record_id: str) -> None:
        """Make sure that it is gone. Safe to repeat."""
        try:
            await self._ask("DELETE", key, _path(kind, record_id))
        except AbsentError:
            return

    async def _find(self, key: str, kind: Kind, member: str, value: str) -> str | None:
        listed = sequence(await self._ask("GET", key, kind, params={"limit": str(_PAGE)}))
        found = next((record for each in listed if (record := mapping(each)).get(member) == value), None)
        if found is None and len(listed) >= _PAGE:
            # What is further back cannot be seen, and creating might double it.
            raise RefusedError("too many to look through")
        return None if found is None else _id(found)

    async def _ask(
        self,
        method: str,
        key: str,
        path: str,
        body: dict[str, JSON] | None = None,
        *,
        params: dict[str, str] | None = None,
    ) -> JSON:
        headers = {"authorization": f"Bearer {key}"} | ({"content-type": "application/json"} if body else {})
        reply = await self._http.exchange(
            method,
            f"{self._base}/{path}",
            headers=headers,
            params=params,
            content=orjson.dumps(body) if body else None,
        )
        if not 200 <= reply.status < 300:  # noqa: PLR2004
            raise failure(reply.status, reply.headers, changes_something=method != _SAFE)
        try:
            return decode(reply.content)[0] if reply.content else None
        except WireError as unreadable:
            unknown = ProviderUnavailableError if method == _SAFE else AmbiguousError
            raise unknown("the answer cannot be read") from unreadable


def _path(kind: Kind, record_id: str) -> str:
    # `.` and `..` alone would climb out of the path.
    quoted = quote(record_id, safe="")
    return f"{kind}/{quoted.replace('.', '%2E') if set(quoted) == {'.'} else quoted}"


def _id(record: JSON) -> str:
    told = text(mapping(record).get("id"))
    if told is None:
        raise AmbiguousError("the answer names no id")
    return told
