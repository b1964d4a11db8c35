"""An organization's settings as the REST API and the command line take and show them."""

from typing import Annotated, Any, Final, Literal, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, AnyHttpUrl, BaseModel, ConfigDict, Field, StringConstraints, UrlConstraints

from actors.domain.policy import API_REQUESTS_PER_SECOND, MinutesPolicy
from serve.organization_schemas import without_secrets
from serve.schemas import Schema
from storage.settings import Settings, Values

_MOST: Final = 1_000_000
_MOST_NAMED: Final = 1_000
_HOURS: Final = 100


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as unknown:
        raise ValueError(f"{name} is no IANA time zone") from unknown
    return name


Text: TypeAlias = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, pattern=r"^[^\x00]*$")]
Limit: TypeAlias = Annotated[int, Field(ge=1, le=_MOST, strict=True)]
Limits: TypeAlias = Annotated[
    dict[Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]*$")], Limit],
    Field(max_length=_MOST_NAMED),
]
Clock: TypeAlias = Annotated[str, StringConstraints(pattern=r"^(([01]\d|2[0-3]):[0-5]\d|24:00)$")]


class OpeningHours(Schema):
    """Open from `opens` to `closes` by the wall clock, into the next day when `closes` is not later."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    day: Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
    opens: Clock
    closes: Clock


class _Destination(BaseModel):
    """A destination object of VAPI's: the members that say where, and whatever else VAPI knows."""

    model_config = ConfigDict(frozen=True, extra="allow")


class NumberDestination(_Destination):
    type: Literal["number"]
    number: Annotated[str, StringConstraints(pattern=r"^\+?[0-9]{3,15}$")]


class SipDestination(_Destination):
    type: Literal["sip"]
    sipUri: Annotated[str, StringConstraints(pattern=r"^sips?:[^\s\x00]+$", max_length=500)]  # noqa: N815  # VAPI's name


class AssistantDestination(_Destination):
    type: Literal["assistant"]


class OtherDestination(_Destination):
    type: Literal["squad", "dynamic"]


PhoneDestination: TypeAlias = Annotated[NumberDestination | SipDestination, Field(discriminator="type")]
TransferDestination: TypeAlias = Annotated[
    NumberDestination | SipDestination | AssistantDestination, Field(discriminator="type")
]
HandoffDestination: TypeAlias = Annotated[AssistantDestination | OtherDestination, Field(discriminator="type")]
ToolUrl: TypeAlias = Annotated[AnyHttpUrl, UrlConstraints(max_length=2_000, allowed_schemes=["https", "http"])]


class SettingsChange(Schema):
    """Members that are absent stay as they are; one that is there is replaced whole, and null takes it away."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[Text, StringConstraints(max_length=200)] = ""
    time_zone: Annotated[str, AfterValidator(_zone)] = Field(default="UTC", description="IANA name.")
    concurrency_limit: Limit | None = Field(default=None, description="Calls at once; null: no limit.")
    assistant_limits: Limits = Field(default={}, description="Calls at once by VAPI's assistant id, or ours.")
    campaign_limits: Limits = Field(default={}, description="Calls at once by campaign.")
    minutes_cap: Limit | None = Field(default=None, description="Begun minutes per calendar month; null: no cap.")
    minutes_policy: MinutesPolicy = Field(
        default="notify",
        description="Once the cap is reached: refuse nothing, new outbound calls (`block-outbound`), or all (`block`).",
    )
    opening_hours: Annotated[list[OpeningHours], Field(max_length=_HOURS)] = Field(
        default=[], description="None: always open."
    )
    refusal_message: Annotated[Text, StringConstraints(max_length=1_000)] | None = Field(
        default=None, description="What a refused caller hears; null: a sentence of ours."
    )
    refusal_destination: PhoneDestination | None = Field(default=None, description="Where a refused call goes instead.")
    api_requests_per_second: Annotated[int, Field(ge=1, le=100_000, strict=True)] = API_REQUESTS_PER_SECOND
    tool_url: ToolUrl | None = Field(default=None, description="Where tool calls are forwarded to.")
    transfer_destination: TransferDestination | None = None
    handoff_destination: HandoffDestination | None = None

    def told(self) -> Values:
        """The members that were there, as Postgres keeps them."""
        return self.model_dump(mode="json", exclude_unset=True)


class OrganizationSettings(Schema):
    """Everything that can be set. `tool_url` is shown without its credentials."""

    name: str
    time_zone: str
    concurrency_limit: int | None
    assistant_limits: dict[str, int]
    campaign_limits: dict[str, int]
    minutes_cap: int | None
    minutes_policy: MinutesPolicy
    opening_hours: list[OpeningHours]
    refusal_message: str | None
    refusal_destination: Any
    api_requests_per_second: int
    tool_url: str | None
    transfer_destination: Any
    handoff_destination: Any

    @classmethod
    def of(cls, settings: Settings) -> "OrganizationSettings":
        url = settings.values["tool_url"]
        shown = without_secrets(url if isinstance(url, str) else None)
        return cls.model_validate({**settings.values, "tool_url": shown})
