"""An organization as the REST API and its dashboard show it."""

from datetime import date
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from pydantic import Field

from serve.call_schemas import CallSummary
from serve.figure_schemas import Figures
from serve.schemas import Schema, Timestamp
from storage.calls import Row


class WebhookFigures(Schema):
    """Webhooks since the organization's midnight, and what waits to be applied now."""

    date: date
    received: int
    duplicates: int
    unapplied: int
    lag_seconds: float = Field(description="Age of the oldest event not applied yet; 0 when there is none.")


class OrganizationView(Schema):
    organization_id: str
    name: str
    slug: str
    time_zone: str
    concurrency_limit: int | None
    tool_url: str | None
    transfer_destination: Any
    handoff_destination: Any
    dedicated: bool
    created_at: Timestamp

    @classmethod
    def of(cls, row: Row) -> "OrganizationView":
        told = {"organization_id": str(row["id"]), "tool_url": without_secrets(row["tool_url"])}
        return cls.model_validate({**row, **told})


class OrganizationDetail(OrganizationView):
    """Settings without secrets, and how webhooks do today."""

    webhook_url: str
    webhooks: WebhookFigures


class Assistant(Schema):
    assistant_id: str
    provider_assistant_id: str | None
    name: str
    numbers: list[str]
    created_at: Timestamp

    @classmethod
    def of(cls, row: Row) -> "Assistant":
        return cls.model_validate({**row, "assistant_id": str(row["id"])})


class Dashboard(Schema):
    """What a page shows before the live feed takes over."""

    organization: OrganizationView
    figures: Figures
    recent_calls: list[CallSummary]
    assistants: list[Assistant]


def without_secrets(url: str | None) -> str | None:
    """Credentials sit in a URL's user part and query; the rest tells where it goes."""
    if url is None:
        return None
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
