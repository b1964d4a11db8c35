"""Resend by its own package: emails."""

from collections.abc import Mapping
from contextvars import ContextVar
from http import HTTPStatus
from types import TracebackType
from typing import Any, Final, Self, cast

import orjson
import resend
from resend.exceptions import NoContentError, ResendError
from resend.http_client_async import AsyncHTTPClient

from workflows.errors import AmbiguousError, ProviderError, ProviderUnavailableError, RefusedError
from workflows.vendors.vendor_http import VendorHttp, failure, retry_after

BASE_URL: Final = "https://api.resend.com"

_MAX_KEY: Final = 256
_IN_FLIGHT: Final = "concurrent_idempotent_requests"
_QUOTAS: Final = frozenset({"daily_quota_exceeded", "monthly_quota_exceeded"})
_QUOTA_SECONDS: Final = 3_600.0


class ResendApi:
    """Asks Resend, each thing once. Any number of them, with keys of their own, live in one process.

    Used as an async context manager.
    """

    def __init__(self, key: str, base_url: str | None = None) -> None:
        self.http = VendorHttp()
        self.base_url = (base_url or BASE_URL).rstrip("/")
        self.authorization = f"Bearer {key}"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.http.close()

    async def send_email(
        self,
        *,
        sender: str,
        to: str,
        subject: str,
        text: str,
        html: str | None = None,
        idempotency_key: str,
        tags: Mapping[str, str] | None = None,
    ) -> str:
        """Send one email; Resend's id of it.

        Within a day the same key and contents send it once, however often they are sent, also after an AmbiguousError.
        With other contents the key is refused (`invalid_idempotent_request`). Names and values of tags are ASCII
        letters, digits, `_` and `-`.

        Raises RefusedError with Resend's name of the reason, AbsentError and ProviderUnavailableError.
        """
        if not 0 < len(idempotency_key) <= _MAX_KEY:
            raise RefusedError("the idempotency key is too long", code="invalid_idempotency_key")
        params: resend.Emails.SendParams = {"from": sender, "to": [to], "subject": subject, "text": text}
        if html is not None:
            params["html"] = html
        if tags:
            params["tags"] = [{"name": name, "value": value} for name, value in tags.items()]
        with _Asking(self):
            try:
                sent = await resend.Emails.send_async(params, {"idempotency_key": idempotency_key})
            except ResendError as failed:
                raise _failure(failed) from failed
            except NoContentError as empty:
                raise AmbiguousError("the answer is empty") from empty
        identifier = cast("dict[str, object]", sent).get("id")
        if not isinstance(identifier, str) or not identifier:
            raise AmbiguousError("the answer has no id")
        return identifier

    async def email_state(self, email_id: str) -> str:
        """What last became of an email, by Resend's word. Raises as `send_email`."""
        with _Asking(self):
            try:
                told = await resend.Emails.get_async(email_id)
            except ResendError as failed:
                raise _failure(failed) from failed
            except NoContentError as empty:
                raise ProviderUnavailableError("the answer is empty") from empty
        state = cast("dict[str, object]", told).get("last_event")
        return state if isinstance(state, str) else "queued"


_asking: ContextVar[ResendApi] = ContextVar("asking")


class _Asking:
    """Whose request the package is carrying out, for the length of one."""

    def __init__(self, api: ResendApi) -> None:
        self._api = api

    def __enter__(self) -> None:
        self._token = _asking.set(self._api)

    def __exit__(self, *_: object) -> None:
        _asking.reset(self._token)


class _Pooled(AsyncHTTPClient):
    """What Resend's package sends its requests by.

    The package has one key, one address and one HTTP client for the whole process. This client puts those of the
    ResendApi that asks in their place, so that what one sends cannot leave with another's key.
    """

    async def request(  # noqa: PLR0917  # as the package has it
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        json: dict[str, object] | list[object] | None = None,
        files: dict[str, Any] | None = None,
        data: dict[str, str] | None = None,
    ) -> tuple[bytes, int, Mapping[str, str]]:
        if files is not None or data is not None:
            raise RefusedError("forms are not sent")
        api = _asking.get()
        # The package puts an empty object into a request that reads.
        content = None if not json else orjson.dumps(json)
        reply = await api.http.exchange(
            method.upper(),
            api.base_url + url.removeprefix(_PLACE),
            headers={**headers, "Authorization": api.authorization, "Content-Type": "application/json"},
            content=content,
        )
        return reply.content, reply.status, reply.headers


# Neither is anybody's: a request that some other code sends by the package goes nowhere.
_PLACE: Final = "https://resend.invalid"
resend.api_url = _PLACE
resend.api_key = "none"
resend.default_async_http_client = _Pooled()


def _failure(error: ResendError) -> ProviderError:
    """Our name for the package's error, whose own message may quote what was sent."""
    if isinstance(error.__context__, ProviderError):
        # The package wraps whatever its HTTP client raises.
        return error.__context__
    status = int(error.code) if str(error.code).isdigit() else 0
    headers = {str(name): str(value) for name, value in error.headers.items()}
    if error.error_type == _IN_FLIGHT:
        return AmbiguousError(f"status {status}, {_IN_FLIGHT}", retry_after_seconds=retry_after(headers))
    if error.error_type in _QUOTAS:
        waits = retry_after(headers)
        return ProviderUnavailableError(
            f"status {status}, {error.error_type}", retry_after_seconds=_QUOTA_SECONDS if waits is None else waits
        )
    code = error.error_type if status < HTTPStatus.INTERNAL_SERVER_ERROR else None
    return failure(status, headers, code=code)
