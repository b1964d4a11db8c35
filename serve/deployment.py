"""Where this deployment is reached: the part of the settings that answers speak of."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Self, cast
from urllib.parse import urlencode

from fastapi import Depends, Request

from serve.config import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """URLs without a trailing slash. `is_local`: the local stack, whose login link works again and again.

    `auth_url` is where browsers take a password to, with the public `auth_key`; empty where people do not sign in.
    """

    public_base_url: str
    live_url: str
    auth_url: str
    auth_key: str
    is_local: bool

    @classmethod
    def of(cls, settings: Settings) -> Self:
        return cls(
            public_base_url=settings.public_base_url.rstrip("/"),
            live_url=settings.live_url.rstrip("/"),
            auth_url=(settings.supabase_url or "").rstrip("/"),
            auth_key=settings.supabase_anon_key or "",
            is_local=settings.embedded,
        )

    def invitation_url(self, token: str, expires_at: datetime) -> str:
        """The link of an invitation. What it carries stands in the fragment, which browsers send to nobody."""
        carried = urlencode({"token": token, "expires": expires_at.isoformat(timespec="seconds")})
        return f"{self.public_base_url}/invitation#{carried}"

    @property
    def is_secure(self) -> bool:
        """Browsers reach us by TLS, so cookies may insist on it."""
        return self.public_base_url.startswith("https://")


def deployment_of(request: Request) -> Deployment:
    """The deployment of the application that serves this request."""
    return cast("Deployment", request.app.state.deployment)


Deployed = Annotated[Deployment, Depends(deployment_of)]
