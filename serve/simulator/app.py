"""The vendor simulator: vendors' APIs to call instead of the real ones, and a view of what they were asked."""

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from random import Random
from typing import Annotated, Any, Final, TypeAlias

from fastapi import APIRouter, Depends, FastAPI, Header, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from serve.config import Settings
from serve.errors import ConflictError, ForbiddenError, InvalidParameterError, UnauthenticatedError
from serve.local_issuer import LocalIssuer, local_issuer
from serve.problems import install_problem_handlers
from serve.simulator.callbacks import Callbacks
from serve.simulator.contract import Contract
from serve.simulator.credentials import token_of
from serve.simulator.exchange import Exchange
from serve.simulator.supabase import supabase_router
from serve.simulator.vapi import Vapi
from serve.simulator.vapi_account import VapiAccounts
from serve.simulator.vendor_door import Fault, VendorDoor
from serve.simulator.vendors import vendor_routers
from storage.api_keys import ApiKeys
from storage.organizations import Organizations
from storage.postgres import close_pool, open_pool
from storage.principals import Principal
from storage.provider_keys import VAPI, VAPI_PUBLIC, ProviderKeys
from storage.redis import open_redis
from storage.sealing import Sealer
from storage.simulator_store import KEPT_REQUESTS, Document, SimulatorStore
from workflows.vendors.vapi_wiring import Wiring

VENDORS: Final = frozenset({"vapi", "stripe", "twilio", "resend", "receiver"})
SCOPE: Final = "simulator:read"
_POOL_SIZE: Final = 4
_LATEST: Final = 2**53


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the simulator stands on. `verify` answers who an API key speaks for."""

    store: SimulatorStore
    verify: Callable[[str], Awaitable[Principal | None]]
    vapi_api_key: str | None = None
    exchange: Exchange | None = None
    account_of: Callable[[str], Awaitable[Sequence[str]]] | None = None
    """The organizations whose private key of VAPI's a token is."""
    is_public: Callable[[str], Awaitable[bool]] | None = None
    """Whether a token is a public key of one."""
    wiring_of: Callable[[str], Awaitable[Wiring | None]] | None = None
    """How VAPI was told to reach us for an organization."""
    issuer: LocalIssuer | None = None


_Caller: TypeAlias = Callable[[str], Awaitable[Principal]]
OpenParts: TypeAlias = Callable[[], AbstractAsyncContextManager[Parts]]


class RegisteredCalls(BaseModel):
    """Calls the vendor shall know: each is the record `GET /call/{id}` answers from now on."""

    model_config = ConfigDict(extra="forbid")

    calls: Annotated[list[Document], Field(max_length=500)]


def create_simulator(settings: Settings, parts: OpenParts | None = None) -> FastAPI:
    """The simulator; its lifespan opens what it stands on and closes it, so any server may run it.

    Without `parts` it stands on the servers of the settings. It starts while they are away.
    """
    opening = parts or partial(_open_parts, settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        async with opening() as opened:
            for router in _vapi_routers(opened):
                app.include_router(router)
            callbacks = Callbacks(settings.public_base_url, random=Random())  # noqa: S311
            for router in vendor_routers(settings, opened.store, callbacks):
                app.include_router(router)
            app.include_router(_own_routes(opened))
            if opened.issuer is not None:
                app.include_router(supabase_router(opened.issuer, now=lambda: int(time.time())))
            try:
                yield
            finally:
                await callbacks.close()

    app = FastAPI(lifespan=lifespan, openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    install_problem_handlers(app)
    return app


@asynccontextmanager
async def _open_parts(settings: Settings) -> AsyncGenerator[Parts]:
    key = settings.vapi_api_key
    pool = await open_pool(
        settings.database_url,
        size=_POOL_SIZE,
        name="call-supervisor simulator",
        prepared=settings.database_prepared_statements,
    )
    sealer = Sealer(settings.encryption_key.get_secret_value())
    organizations = Organizations(pool, sealer)
    keys = ProviderKeys(pool, sealer)

    async def account_of(token: str) -> Sequence[str]:
        return [organization_id for organization_id, key in (await keys.of_all(VAPI)).items() if key == token]

    async def is_public(token: str) -> bool:
        return token in (await keys.of_all(VAPI_PUBLIC)).values()

    async def wiring_of(organization_id: str) -> Wiring | None:
        reception = await organizations.reception(organization_id)
        if reception is None or not reception.secrets:
            return None
        url = f"{settings.public_base_url.rstrip('/')}/webhooks/vapi/{organization_id}"
        return Wiring(url=url, secret=reception.secrets[0].decode())

    try:
        async with open_redis(settings.redis_url, name="simulator") as redis:
            store = SimulatorStore(redis, pool)
            exchange = Exchange(
                store,
                reception=organizations.reception,
                base_url=settings.public_base_url,
                random=Random(),  # noqa: S311  (nothing here is a secret)
            )
            try:
                yield Parts(
                    store=store,
                    verify=ApiKeys(pool).verify,
                    vapi_api_key=None if key is None else key.get_secret_value(),
                    exchange=exchange,
                    account_of=account_of,
                    is_public=is_public,
                    wiring_of=wiring_of,
                    issuer=local_issuer(settings),
                )
            finally:
                await exchange.close()
    finally:
        await organizations.close()
        await close_pool(pool)


def _vapi_routers(parts: Parts) -> Sequence[APIRouter]:
    door = VendorDoor(vendor="vapi", prefix="/vapi", store=parts.store, random=Random())  # noqa: S311

    async def named(request: Request, _body: bytes) -> Sequence[str]:
        token = token_of(request)
        return await parts.account_of(token) if parts.account_of is not None and token is not None else ()

    async def imported(token: str, record_id: str) -> Document | None:
        number = await parts.store.number(record_id)
        if number is None or parts.account_of is None or parts.wiring_of is None:
            return None
        if number.organization_id not in await parts.account_of(token):
            return None
        wiring = await parts.wiring_of(number.organization_id)
        return None if wiring is None else {"provider": "twilio", "number": number.number, **wiring.of_number()}

    accounts = VapiAccounts(
        memory=parts.store.memory("vapi"),
        # Numbers are imported with the secrets of another vendor's account.
        door=replace(door, named=named, redacts_bodies=True),
        contract=Contract("vapi"),
        api_key=parts.vapi_api_key,
        is_public=parts.is_public,
        imported=imported,
    )
    vapi = Vapi(
        store=parts.store,
        door=door,
        api_key=parts.vapi_api_key,
        exchange=parts.exchange,
        account_of=parts.account_of,
        control_is_guarded=accounts.control_is_guarded,
    )
    return accounts.router(), vapi.router()


def _own_routes(parts: Parts) -> APIRouter:
    """The simulator's own view, for holders of an organization's API key."""

    async def caller(authorization: Annotated[str, Header()] = "") -> Principal:
        scheme, _, key = authorization.partition(" ")
        principal = await parts.verify(key.strip()) if scheme.lower() == "bearer" else None
        if principal is None:
            raise UnauthenticatedError
        if SCOPE not in principal.scopes:
            raise ForbiddenError(f"The credential lacks the scope {SCOPE}.")
        return principal

    router = APIRouter()
    router.include_router(_call_routes(parts.store, caller))
    router.include_router(_fault_routes(parts.store, caller))
    return router


def _call_routes(store: SimulatorStore, caller: _Caller) -> APIRouter:
    router = APIRouter()

    @router.get("/requests")
    async def list_requests(
        caller: Annotated[Principal, Depends(caller)],
        limit: Annotated[int, Query(ge=1, le=KEPT_REQUESTS)] = 100,
    ) -> dict[str, Any]:
        return {"requests": await store.requests(caller.organization_id, limit=limit)}

    @router.get("/calls")
    async def list_calls(
        caller: Annotated[Principal, Depends(caller)],
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> dict[str, Any]:
        found = await store.calls(caller.organization_id, updated_from=0, updated_to=_LATEST, limit=limit)
        return {"calls": found}

    @router.post("/calls")
    @router.put("/calls")
    async def register_calls(caller: Annotated[Principal, Depends(caller)], body: RegisteredCalls) -> dict[str, Any]:
        records = {_call_id(record): (_updated_ms(record), record) for record in body.calls}
        if not await store.owns(caller.organization_id, list(records)):
            raise ConflictError("Some of these calls are simulated for somebody else.")
        await store.put_calls(caller.organization_id, records)
        return {"registered": len(records)}

    @router.get("/commands")
    async def list_commands(
        caller: Annotated[Principal, Depends(caller)],
        after: Annotated[str, Query(pattern=r"^\d{1,15}(-\d{1,10})?$")] = "0",
    ) -> dict[str, Any]:
        """Commands for simulated calls that were taken after a position, and the position to ask from next."""
        commands, position = await store.commands(caller.organization_id, after=after)
        return {"commands": commands, "position": position}

    return router


def _fault_routes(store: SimulatorStore, caller: _Caller) -> APIRouter:
    router = APIRouter()

    @router.get("/faults")
    async def get_faults(caller: Annotated[Principal, Depends(caller)]) -> dict[str, Any]:
        del caller
        return {"faults": await store.faults()}

    @router.put("/faults")
    async def put_faults(caller: Annotated[Principal, Depends(caller)], faults: dict[str, Fault]) -> dict[str, Any]:
        del caller
        if unknown := faults.keys() - VENDORS:
            raise InvalidParameterError(f"No such vendor is simulated: {', '.join(sorted(unknown))}.")
        await store.set_faults({vendor: fault.model_dump() for vendor, fault in faults.items()})
        return {"faults": await store.faults()}

    @router.delete("/faults", status_code=204)
    async def clear_faults(caller: Annotated[Principal, Depends(caller)]) -> None:
        del caller
        await store.set_faults({})

    return router


def _call_id(record: Document) -> str:
    call_id = record.get("id")
    if not isinstance(call_id, str) or not call_id:
        raise InvalidParameterError("Every call needs an `id`.")
    return call_id


def _updated_ms(record: Document) -> int:
    try:
        times = [datetime.fromisoformat(record[name]) for name in ("createdAt", "updatedAt")]
        return round(max(times).timestamp() * 1000)
    except (KeyError, TypeError, ValueError) as wrong:
        raise InvalidParameterError("Every call needs `createdAt` and `updatedAt`, ISO 8601 with a zone.") from wrong
