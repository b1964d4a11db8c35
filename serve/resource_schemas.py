"""What the REST API takes and shows of assistants, numbers, templates, notes and the audit log."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Annotated, Any, Final, Literal, Self, TypeAlias
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, model_validator

from actors.domain.json_types import JSON
from actors.domain.tags import LONGEST_TAG, normal_tag
from serve.schemas import Schema, Timestamp
from storage.calls import Row
from workflows.vendors.redaction import REDACTED, redact

_DEEPEST: Final = 50


def storable(value: Any) -> Any:
    """JSON that Postgres can hold and VAPI be sent. Raises ValueError."""
    level: list[Any] = [value]
    for _ in range(_DEEPEST):
        if not level:
            return value
        deeper: list[Any] = []
        for each in level:
            if isinstance(each, str):
                _check_text(each)
            elif isinstance(each, Mapping):
                deeper.extend(each)  # pyright: ignore[reportUnknownArgumentType]  # any JSON
                deeper.extend(each.values())  # pyright: ignore[reportUnknownArgumentType]
            elif isinstance(each, list):
                deeper.extend(each)  # pyright: ignore[reportUnknownArgumentType]
        level = deeper
    raise ValueError(f"nested deeper than {_DEEPEST} levels")


def _check_text(text: str) -> None:
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("holds a character that cannot be stored")
    if text == REDACTED:
        raise ValueError(f"{REDACTED} stands where a secret was: send the secret itself, or leave it out")


Text: TypeAlias = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, pattern=r"^[^\x00]*$")]
Name: TypeAlias = Annotated[Text, StringConstraints(max_length=200)]
ProviderId: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,200}$")]
E164: TypeAlias = Annotated[str, StringConstraints(pattern=r"^\+[1-9][0-9]{6,14}$")]
Value: TypeAlias = Annotated[str, StringConstraints(max_length=2_000, pattern=r"^[^\x00]*$")]
Config: TypeAlias = Annotated[dict[str, Any], AfterValidator(storable)]
Limit: TypeAlias = Annotated[int, Field(ge=1, le=1_000_000, strict=True)]


class Asked(Schema):
    """What a request may hold: nothing unknown, so that a misspelt member is told, not ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class NewAssistant(Asked):
    """An assistant VAPI keeps under an id, one whose `config` is sent with each call, or one made from a template."""

    name: Name
    provider_assistant_id: ProviderId | None = Field(default=None, description="VAPI's id, if VAPI keeps it.")
    config: Config | None = Field(default=None, description="The assistant in VAPI's words.")
    template_id: UUID | None = None
    variables: Annotated[dict[Name, Value], Field(max_length=100)] = Field(
        default={}, description="What a template leaves open."
    )
    concurrency_limit: Limit | None = Field(default=None, description="Calls at once; null: no limit of its own.")

    @model_validator(mode="after")
    def comes_from_somewhere(self) -> Self:
        if self.template_id is None:
            if self.variables:
                raise ValueError("`variables` fill in a template: name its `template_id`")
            if self.provider_assistant_id is None and self.config is None:
                raise ValueError("one of `provider_assistant_id`, `config` and `template_id` is needed")
        elif self.config is not None or self.provider_assistant_id is not None:
            raise ValueError("an assistant made from a template has its configuration from there")
        return self


class AssistantChange(Asked):
    """Members that are absent stay as they are; null takes one away."""

    name: Name = ""
    provider_assistant_id: ProviderId | None = None
    config: Config | None = None
    concurrency_limit: Limit | None = None


class AssistantView(Schema):
    """`config` is shown without its secrets."""

    id: UUID
    provider_assistant_id: str | None
    name: str
    config: Any
    concurrency_limit: int | None
    template_id: UUID | None
    numbers: list[str] = Field(description="The phone numbers it answers.")
    created_at: Timestamp

    @classmethod
    def of(cls, row: Row) -> "AssistantView":
        config: JSON = deepcopy(row["config"])
        redact(config)
        return cls.model_validate({**row, "config": config})


class AssistantPage(Schema):
    assistants: list[AssistantView]
    next_cursor: str | None


class NewPhoneNumber(Asked):
    number: E164
    provider_phone_number_id: ProviderId | None = Field(default=None, description="VAPI's id of the number.")
    assistant_id: UUID | None = Field(default=None, description="Who answers it.")


class PhoneNumberChange(Asked):
    """Members that are absent stay as they are; null takes one away."""

    number: E164 = ""
    provider_phone_number_id: ProviderId | None = None
    assistant_id: UUID | None = None


class PhoneNumberView(Schema):
    id: UUID
    number: str
    provider_phone_number_id: str | None
    assistant_id: UUID | None
    created_at: Timestamp


class PhoneNumberPage(Schema):
    phone_numbers: list[PhoneNumberView]
    next_cursor: str | None


class Industry(Schema):
    slug: str
    name: str


class IndustryList(Schema):
    industries: list[Industry]


class TemplateSummary(Schema):
    id: UUID
    slug: str
    name: str
    description: str
    industry_slug: str
    industry_name: str
    is_featured: bool
    variables: Any = Field(description="What there is to fill in: `name`, `label`, `default` of each.")
    created_at: Timestamp


class TemplateView(TemplateSummary):
    config: Any = Field(description="The assistant it makes; `{{name}}` stands for what is filled in.")


class TemplatePage(Schema):
    templates: list[TemplateSummary]
    next_cursor: str | None


class NewNote(Asked):
    text: Annotated[Text, StringConstraints(max_length=10_000)]


class Note(Schema):
    id: UUID
    author: str = Field(description="The credential that wrote it, as in the audit log.")
    text: str
    created_at: Timestamp


class Notes(Schema):
    """Oldest first."""

    notes: list[Note]


def told_tag(text: str) -> str:
    """The tag in its one form. Raises ValueError."""
    tag = normal_tag(text)
    if tag is None:
        raise ValueError(f"a tag is letters and digits with `-`, `_`, `.` and `:` between them, {LONGEST_TAG} at most")
    return tag


TagName: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=100), AfterValidator(told_tag)]


class Tags(Schema):
    """Every tag of a call, ordered."""

    tags: list[str]


class AuditEntry(Schema):
    """Who did what to what, why, and what came of it. Nobody can change or remove an entry."""

    id: int
    at: Timestamp
    actor: str
    action: str
    target: str
    reason: str
    result: str


class AuditPage(Schema):
    entries: list[AuditEntry]
    next_cursor: str | None


DeliveryStatus: TypeAlias = Literal["pending", "delivered", "exhausted", "cancelled"]
