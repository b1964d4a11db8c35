"""What the REST API asks and answers about people, sessions, invitations and API keys."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import orjson
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from serve.resource_schemas import Config, Name
from serve.roles import LEAST_ROLE, Role
from serve.schemas import Schema, Timestamp
from storage.members import Invitation, Row
from storage.principals import Principal
from storage.sessions import Session

_LARGEST_PREFERENCES: Final = 16 * 1024


class Asked(BaseModel):
    """A request's body: nothing beyond what is named."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PermittedOrganization(Schema):
    """What the credential may do in one organization. A key's `role` is the least that has all of its scopes."""

    organization_id: str
    name: str
    time_zone: str = Field(description="By which its days are counted and its people tell the time.")
    role: str | None
    scopes: list[str]

    @classmethod
    def of(cls, principal: Principal, organization: Row) -> "PermittedOrganization":
        return cls(
            organization_id=principal.organization_id,
            name=organization["name"],
            time_zone=organization["time_zone"],
            role=principal.role,
            scopes=sorted(principal.scopes),
        )


class Person(Schema):
    user_id: str
    email: str | None
    name: str | None


class UserView(Schema):
    """A person as they see themselves. `preferences` are what the page remembers of them."""

    user_id: str
    email: str
    name: str | None
    preferences: dict[str, Any]
    created_at: Timestamp

    @classmethod
    def of(cls, row: Row) -> "UserView":
        return cls.model_validate({**row, "user_id": str(row["user_id"])})


class SessionView(Schema):
    """Who the credential speaks for. Outside `organizations`: the first of them, which is a key's only one."""

    user: Person | None
    organization_id: str | None
    name: str | None
    role: str | None
    scopes: list[str]
    organizations: list[PermittedOrganization]

    @classmethod
    def of(cls, user: Person | None, organizations: Sequence[PermittedOrganization]) -> "SessionView":
        """`organizations` in the order they are told in."""
        first = organizations[0] if organizations else None
        return cls(
            user=user,
            organization_id=first and first.organization_id,
            name=first and first.name,
            role=first and first.role,
            scopes=first.scopes if first else [],
            organizations=list(organizations),
        )


class OpenSession(Schema):
    """A session of the dashboard. `session_id` names it and opens nothing."""

    session_id: str
    opened_at: Timestamp
    expires_at: Timestamp
    is_current: bool

    @classmethod
    def of(cls, session: Session, *, is_current: bool) -> "OpenSession":
        return cls(
            session_id=session.session_id,
            opened_at=datetime.fromtimestamp(session.opened_at, UTC),
            expires_at=datetime.fromtimestamp(session.expires_at, UTC),
            is_current=is_current,
        )


class OpenSessions(Schema):
    sessions: list[OpenSession]


class Member(Schema):
    user_id: str
    email: str
    name: str | None
    role: Role
    created_at: Timestamp
    seen_at: Timestamp | None

    @classmethod
    def of(cls, row: Row) -> "Member":
        return cls.model_validate({**row, "user_id": str(row["user_id"])})


class MemberList(Schema):
    """Members by address."""

    members: list[Member]


def _small(value: dict[str, Any]) -> dict[str, Any]:
    if len(orjson.dumps(value)) > _LARGEST_PREFERENCES:
        raise ValueError("more than 16 KiB")
    return value


class UserChange(Asked):
    """Members that are absent stay as they are; null takes the name away."""

    name: Name | None = None
    preferences: Annotated[Config, AfterValidator(_small)] = Field(
        default={}, description="What the page is to remember, replaced whole: at most 16 KiB of JSON."
    )


class RoleChange(Asked):
    role: Role


def _address(text: str) -> str:
    """One mailbox, as far as it can be told without writing to it."""
    name, at, host = text.rpartition("@")
    if not name or not at or "." not in host or any(each.isspace() or not each.isprintable() for each in text):
        raise ValueError("not an email address")
    return text


Address = Annotated[str, StringConstraints(min_length=3, max_length=320), AfterValidator(_address)]


class InvitationRequest(Asked):
    email: Address
    role: Role


class InvitationView(Schema):
    """An invitation that is open: `pending` until it is accepted, `expired` once its time is over."""

    invitation_id: str
    email: str
    role: Role
    invited_by: str
    status: str
    created_at: Timestamp
    expires_at: Timestamp

    @classmethod
    def of(cls, row: Row, now: datetime) -> "InvitationView":
        return cls.model_validate(_invitation(row, now))


class InvitationList(Schema):
    """Open invitations, newest first."""

    invitations: list[InvitationView]


class NewInvitation(InvitationView):
    """`token` accepts it, once, for the person of that address; `url` opens the page that does. Not shown again."""

    token: str
    url: str

    @classmethod
    def of_new(cls, made: Invitation, now: datetime, *, url: str) -> "NewInvitation":
        return cls.model_validate({**_invitation(made.row, now), "token": made.token, "url": url})


class Acceptance(Asked):
    token: Annotated[str, StringConstraints(min_length=1, max_length=200)]


class Accepted(Schema):
    organization_id: str


KeyName = Annotated[str, StringConstraints(min_length=1, max_length=100, strip_whitespace=True, pattern=r"^[^\x00]*$")]


class ApiKeyRequest(Asked):
    """A key gets no scope that its maker lacks. `name` is shared only by a key and the one it replaces."""

    name: KeyName
    scopes: Annotated[
        list[str],
        Field(
            min_length=1,
            max_length=100,
            json_schema_extra={"items": {"type": "string", "enum": [*sorted(LEAST_ROLE)]}},
            description="`wallboard:read` alone opens the live board's figures, and nothing of any caller.",
        ),
    ]
    expires_at: AwareDatetime | None = None


class RotationRequest(Asked):
    """How long the key that is replaced stays good."""

    grace_seconds: Annotated[int, Field(ge=0, le=7 * 24 * 3600)] = 24 * 3600


class ApiKeyView(Schema):
    """A key without its secret. `last_used_at` is exact to the minute or so."""

    key_id: str
    name: str
    scopes: list[str]
    role: Role = Field(description="The least role that has all of the scopes.")
    created_by: str | None
    created_at: Timestamp
    expires_at: Timestamp | None
    revoked_at: Timestamp | None
    last_used_at: Timestamp | None

    @classmethod
    def of(cls, row: Row) -> "ApiKeyView":
        return cls.model_validate({**row, "key_id": row["id"]})


class ApiKeyList(Schema):
    """Keys, newest first, with those that ended in the last 90 days."""

    api_keys: list[ApiKeyView]


class NewApiKey(ApiKeyView):
    """`api_key` is the key itself. It is not shown again."""

    api_key: str

    @classmethod
    def of_new(cls, row: Row, text: str) -> "NewApiKey":
        return cls.model_validate({**row, "key_id": row["id"], "api_key": text})


def _invitation(row: Row, now: datetime) -> dict[str, Any]:
    status = "pending" if row["expires_at"] > now else "expired"
    return {**row, "invitation_id": str(row["id"]), "status": status}
