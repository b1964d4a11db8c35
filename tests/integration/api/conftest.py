from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from serve.api import create_api
from serve.auth import API_SCOPES
from serve.config import Settings
from serve.deployment import Deployment
from serve.services import Services, open_services
from storage.api_keys import add_api_key, new_api_key
from storage.postgres import Pool, open_pool, transaction
from storage.provisioning import add_organization, put_member
from storage.statements import statements as named_statements
from tests.fakes.token_issuer import TokenIssuer, running_issuer

BASE_URL = "http://supervisor.test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    organization_id: str
    api_key: str

    @property
    def path(self) -> str:
        return f"/v1/organizations/{self.organization_id}"

    @property
    def credential(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.api_key}"}


def midday_zone() -> str:
    """A zone where it is about noon, so that no test runs over an organization's midnight."""
    return f"Etc/GMT{datetime.now(UTC).hour - 12:+d}"


async def add_tenant(pool: Pool, name: str) -> Tenant:
    organization_id, key = str(uuid4()), new_api_key()
    async with transaction(pool) as connection:
        await add_organization(
            connection,
            organization_id=organization_id,
            name=name,
            slug=organization_id,
            time_zone=midday_zone(),
        )
        await add_api_key(
            connection,
            key,
            organization_id=organization_id,
            name="of the test",
            scopes=sorted(API_SCOPES),
            role="owner",
        )
    return Tenant(organization_id=organization_id, api_key=key.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody Supabase Auth knows."""

    user_id: str
    email: str
    token: str

    @property
    def credential(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


def new_person(issuer: TokenIssuer) -> Person:
    user_id = str(uuid4())
    email = f"{user_id[:8]}@example.com"
    return Person(user_id=user_id, email=email, token=issuer.token(sub=user_id, email=email))


async def add_member(
    pool: Pool, issuer: TokenIssuer, tenant: Tenant, role: str, person: Person | None = None
) -> Person:
    person = person or new_person(issuer)
    async with transaction(pool) as connection:
        await put_member(
            connection,
            organization_id=tenant.organization_id,
            user_id=person.user_id,
            email=person.email,
            role=role,
        )
    return person


@pytest_asyncio.fixture(scope="session")
async def issuer() -> AsyncIterator[TokenIssuer]:
    async with running_issuer() as made:
        yield made


@pytest.fixture
def settings(database_url: str, redis_url: str, tmp_path: Path, issuer: TokenIssuer) -> Settings:
    return Settings(
        database_url=database_url,
        redis_url=redis_url,
        temporal_address="127.0.0.1:1",
        encryption_key="AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",  # pyright: ignore[reportArgumentType]
        recordings_url=(tmp_path / "recordings").as_uri(),
        supabase_url=issuer.url,
        supabase_jwt_secret=issuer.secret,  # pyright: ignore[reportArgumentType]
        public_base_url=BASE_URL,
        live_url="ws://live.test:8001/",
    )


@pytest_asyncio.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with await open_pool(database_url, size=4, name="test") as opened:
        yield opened


@pytest.fixture(scope="session")
def applications() -> dict[Deployment, FastAPI]:
    return {}


@pytest_asyncio.fixture
async def api(settings: Settings, applications: dict[Deployment, FastAPI]) -> AsyncIterator[FastAPI]:
    """The application, whose routes are made once for all tests: what it stands on is each test's own."""
    deployment = Deployment.of(settings)
    if deployment not in applications:
        applications[deployment] = create_api(settings)
    app = applications[deployment]
    async with open_services(settings) as opened:
        app.state.services = opened
        yield app


@pytest.fixture
def services(api: FastAPI) -> Services:
    opened = api.state.services
    assert isinstance(opened, Services)
    return opened


@pytest_asyncio.fixture
async def client(api: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """No credential of its own. A fault inside the application is an answer, as it is to the world."""
    transport = httpx.ASGITransport(app=api, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=BASE_URL) as opened:
        yield opened


@pytest_asyncio.fixture
async def tenant(pool: Pool) -> Tenant:
    return await add_tenant(pool, "One")


@pytest_asyncio.fixture
async def stranger(pool: Pool) -> Tenant:
    return await add_tenant(pool, "Other")


@pytest_asyncio.fixture
async def statements(services: Services) -> list[str]:
    """The names of what the application's connections run, but for the one that lets a transaction see its tenant.

    Every statement of ours has a name; what has none is the driver's, about types, once for each connection.
    """
    ran: list[str] = []
    names = {text: name for name, text in named_statements().items() if name != "become_tenant"}

    def note(told: Any) -> None:
        if told.query in names:
            ran.append(names[told.query])

    connections = [await services.pool.acquire() for _ in range(services.pool.get_max_size())]
    for connection in connections:
        connection.add_query_logger(note)
    for connection in connections:
        await services.pool.release(connection)
    return ran
