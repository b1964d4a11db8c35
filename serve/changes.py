"""One change that a request asks for: once per `Idempotency-Key`, only from the state of `If-Match`, as its caller.

It is made in the least role that has the scope its route asks for, whoever asks: a credential that may do more, by its
role or by another scope, does no more here. `AskedInOwnRole` is for the few routes where what somebody is decides what
they may give to others.
"""

import base64
import hashlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Annotated, Final, TypeAlias
from uuid import UUID

import orjson
from fastapi import Depends, Header, Request, Response

from serve.auth import Caller, GuardedRoute
from serve.errors import (
    ConflictError,
    ForbiddenError,
    InvalidParameterError,
    NotFoundError,
    PreconditionFailedError,
)
from serve.roles import LEAST_ROLE
from serve.schemas import Schema
from serve.services import Given, Services
from storage.cache_keys import CacheKey
from storage.calls import Row
from storage.errors import NotPermittedError
from storage.idempotency import KeyInUseError, KeyOfAnotherRequestError, StoredAnswer, claim, keep, release
from storage.principals import Principal
from storage.tenant_rows import TakenError, TenantRows, changing_rows

KEY_LENGTH: Final = 255

IdempotencyKey: TypeAlias = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=KEY_LENGTH,
        pattern=r"^[\x21-\x7e]+$",
        description="Makes the request safe to repeat for 24 hours: the same key gets the same answer.",
    ),
]
IfMatch: TypeAlias = Annotated[
    str | None,
    Header(alias="If-Match", max_length=1_000, description="`ETag`s that the change may start from; else 412."),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What a change came to. `shown` is the thing as it is now; None answers without a body."""

    shown: Schema | None
    status: HTTPStatus = HTTPStatus.OK
    tagged: bool = True
    """Whether `shown` is the thing itself, whose state a later change may start from."""
    stale: Sequence[CacheKey] = ()
    """Copies that no longer hold once the change is committed."""


Make: TypeAlias = Callable[[TenantRows], Awaitable[Made]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change as the request asks for it."""

    services: Services
    caller: Principal
    role: str | None
    key: str | None
    request_hash: bytes
    if_match: str | None

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[TenantRows]:
        """Statements that change things, all or none. Raises ForbiddenError, ConflictError, StorageUnavailableError."""
        try:
            async with changing_rows(
                self.services.pool,
                organization_id=self.caller.organization_id,
                subject=self.caller.subject,
                role=self.role,
                user_id=self.caller.user_id,
            ) as rows:
                yield rows
        except NotPermittedError as refused:
            raise ForbiddenError("The credential does not permit this change.") from refused
        except TakenError as taken:
            raise ConflictError("There is one of these already.") from taken

    async def answer(self, make: Make) -> Response:
        """Make the change and what must be remembered of it in one transaction, unless its key was answered before.

        Raises what `make` raises, ConflictError while the same key is at work, and InvalidParameterError for a key
        that was used for another request.
        """
        async with self.transaction() as rows:
            if (before := await self.claimed(rows)) is not None:
                return self.replayed(before)
            made = await make(rows)
            response = answer_of(made)
            await self.keep(rows, response)
        await self.services.cache.invalidate(*made.stale)
        return response

    async def claimed(self, rows: TenantRows) -> StoredAnswer | None:
        """What the key was answered before; None for a first time, which takes the key. Raises as `answer`."""
        if self.key is None:
            return None
        try:
            return await claim(rows, actor=self.caller.subject, key=self.key, request_hash=self.request_hash)
        except KeyInUseError as busy:
            raise ConflictError(
                "A request with this Idempotency-Key is at work, or what it did is not known."
            ) from busy
        except KeyOfAnotherRequestError as other:
            detail = "This Idempotency-Key was used for another request."
            raise InvalidParameterError(detail, [{"at": "header.Idempotency-Key", "detail": detail}]) from other

    async def keep(self, rows: TenantRows, response: Response) -> None:
        """Remember the answer to the key. It is sealed: some answers show a secret, once."""
        if self.key is None:
            return
        told = {"body": bytes(response.body).decode(), "etag": response.headers.get("etag")}
        sealed = self.services.sealer.seal(self.caller.organization_id, orjson.dumps(told))
        await keep(
            rows,
            actor=self.caller.subject,
            key=self.key,
            status=response.status_code,
            response={"sealed": base64.b64encode(sealed).decode()},
        )

    async def release(self, rows: TenantRows) -> None:
        """Give the key back: nothing was done."""
        if self.key is not None:
            await release(rows, actor=self.caller.subject, key=self.key)

    def require_match(self, shown: Schema) -> None:
        """Refuse to go on from a state that `If-Match` does not name. Raises PreconditionFailedError."""
        require_match(self.if_match, shown)

    async def begin(self, rows: TenantRows, noun: str, item_id: UUID, view: Callable[[Row], Schema]) -> Row:
        """The thing to change, kept from other changes until the transaction is over.

        `noun` names the statement that reads it, and with `_lock` the one that locks it. Raises NotFoundError, and
        PreconditionFailedError when what `view` shows of it is not a state of `If-Match`.
        """
        await rows.one(f"{noun}_lock", item_id)
        row = found(await rows.one(noun, item_id), noun.replace("_", " "))
        self.require_match(view(row))
        return row

    def replayed(self, before: StoredAnswer) -> Response:
        """The answer again."""
        sealed = base64.b64decode(before.response["sealed"])
        told = orjson.loads(self.services.sealer.open(self.caller.organization_id, sealed))
        headers = {"Idempotency-Replayed": "true"} | ({"ETag": told["etag"]} if told["etag"] else {})
        return _json(told["body"].encode(), before.status, headers)


async def change_of(
    request: Request, services: Given, caller: Caller, key: IdempotencyKey = None, if_match: IfMatch = None
) -> Change:
    """The change that a request asks for, in terms of its route's permission."""
    route = request.scope["route"]
    if not isinstance(route, GuardedRoute) or route.permission.scope is None:
        raise TypeError(f"{request.url.path} changes an organization, so its route needs a scope")
    told = b"\0".join([request.method.encode(), request.url.path.encode(), await request.body()])
    return Change(
        services=services,
        caller=caller,
        role=LEAST_ROLE[route.permission.scope],
        key=key,
        request_hash=hashlib.sha256(told).digest(),
        if_match=if_match,
    )


Asked = Annotated[Change, Depends(change_of)]


async def change_in_own_role(change: Asked) -> Change:
    """The change, made in the role of whoever asks for it."""
    return replace(change, role=change.caller.role)


AskedInOwnRole = Annotated[Change, Depends(change_in_own_role)]


def require_match(if_match: str | None, shown: Schema) -> None:
    """Refuse to go on from a state that `If-Match` does not name. Raises PreconditionFailedError."""
    if if_match is None or if_match.strip() == "*":
        return
    # Weak tags match nothing, as RFC 9110 has it.
    if etag_of(shown) not in {tag.strip() for tag in if_match.split(",")}:
        raise PreconditionFailedError("It was changed since. Read it again.")


def versions_of(if_match: str | None) -> frozenset[str] | None:
    """The versions a change may start from; None for any. Weak tags match nothing, as RFC 9110 has it."""
    if if_match is None or if_match.strip() == "*":
        return None
    return frozenset(tag.strip().strip('"') for tag in if_match.split(",") if tag.strip().startswith('"'))


def etag_of(shown: Schema) -> str:
    """The name of a state of a thing: another state has another."""
    return f'"{hashlib.sha256(shown.model_dump_json().encode()).hexdigest()[:32]}"'


def shown_with_etag(shown: Schema) -> Response:
    """The thing as it is now."""
    return answer_of(Made(shown=shown))


def found(row: Row | None, what: str) -> Row:
    """The row, if there is one. Raises NotFoundError."""
    if row is None:
        raise NotFoundError(f"There is no such {what}.")
    return row


def answer_of(made: Made) -> Response:
    """What was made, as a response."""
    if made.shown is None:
        return Response(status_code=HTTPStatus.NO_CONTENT)
    headers = {"ETag": etag_of(made.shown)} if made.tagged else {}
    return _json(made.shown.model_dump_json().encode(), made.status, headers)


def _json(body: bytes, status: int, headers: dict[str, str]) -> Response:
    return Response(body or None, status_code=status, headers=headers, media_type="application/json" if body else None)
