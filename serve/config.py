"""Settings, read from the environment once, in the composition roots, and handed on from there."""

from typing import Annotated, Any
from urllib.parse import quote, urlsplit

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from workflows.config import WorkerSettings


class Settings(BaseSettings):
    """What the product is told from outside. No secret has a default; the embedded stack generates its own."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", case_sensitive=False)

    database_url: str
    database_direct_url: str | None = None
    database_prepared_statements: bool = True
    redis_url: str
    """Or the pair UPSTASH_REDIS_URL and UPSTASH_REDIS_TOKEN, reached over TLS on Redis' own port."""
    temporal_address: str
    temporal_namespace: str = "default"
    temporal_client_cert: SecretStr | None = None
    temporal_client_key: SecretStr | None = None
    temporal_api_key: SecretStr | None = None
    temporal_search_attributes: bool = False
    """Whether those of workflows/search_attributes.py are registered, where no worker may register them."""
    encryption_key: SecretStr
    """32 bytes, base64: seals webhook secrets and control URLs at rest."""

    vapi_api_key: SecretStr | None = None
    vapi_base_url: str = "https://api.vapi.ai"
    vapi_webhook_secret: SecretStr | None = None
    """Seeds the first organization only."""
    stripe_secret_key: SecretStr | None = None
    stripe_base_url: str | None = None
    stripe_webhook_secret: SecretStr | None = None
    twilio_account_sid: str | None = None
    twilio_auth_token: SecretStr | None = None
    """Also what Twilio signs its webhooks with."""
    twilio_from: str | None = None
    twilio_base_url: str | None = None
    resend_api_key: SecretStr | None = None
    resend_webhook_secret: SecretStr | None = None
    resend_from: str | None = None
    resend_base_url: str | None = None
    recordings_url: str
    """`s3://bucket/prefix` (with the usual AWS_* variables) or `file:///folder`."""
    action_items_model: str | None = None

    supabase_url: str | None = None
    """Whose access tokens people sign in with; its keys are read from /auth/v1/.well-known/jwks.json."""
    supabase_anon_key: str | None = None
    """The project's public key, which its API wants of browsers beside a password."""
    supabase_jwt_secret: SecretStr | None = None
    """The project's legacy secret, for tokens signed with HS256."""
    supabase_signing_key: SecretStr | None = None
    """The local stack's own: a P-256 private key, PKCS #8 in base64."""

    upstash_redis_url: str | None = None
    upstash_redis_token: SecretStr | None = None

    public_base_url: str = "http://127.0.0.1:8000"
    live_url: str = "ws://127.0.0.1:8001"
    live_host: str = "127.0.0.1"
    live_port: int = 8001
    http_host: str = "127.0.0.1"
    http_port: int = 8000

    trusted_proxies: Annotated[int, Field(ge=0, le=10)] = 0
    """Proxies in front of us that append to `X-Forwarded-For`: limits by client address go by what the first says."""

    shards: Annotated[int, Field(ge=1, le=256)] = 2
    ingress_replicas: Annotated[int, Field(ge=1)] = 2
    hub_replicas: Annotated[int, Field(ge=1)] = 1
    api_replicas: Annotated[int, Field(ge=1)] = 1
    worker_replicas: Annotated[int, Field(ge=0)] = 1
    embedded: bool = False
    """The local stack: seeds demo organizations, serves the vendor simulator, makes the dashboard login reusable."""

    @model_validator(mode="before")
    @classmethod
    def _from_upstash(cls, told: dict[str, Any]) -> dict[str, Any]:
        url, token = told.get("upstash_redis_url"), told.get("upstash_redis_token")
        if told.get("redis_url") or not url or not token:
            return told
        host = urlsplit(str(url)).hostname
        return {**told, "redis_url": f"rediss://default:{quote(token, safe='')}@{host}:6379"}

    @property
    def direct_url(self) -> str:
        """Where migrations and archives connect: around a transaction pooler."""
        return self.database_direct_url or self.database_url

    @property
    def simulator_origin(self) -> str | None:
        """`http://host:port` of the local vendors; None where there are none."""
        parts = urlsplit(self.vapi_base_url)
        return f"{parts.scheme}://{parts.netloc}" if self.embedded and parts.scheme == "http" else None

    def simulates(self, base_url: str | None) -> bool:
        """Whether a vendor of this address is the local stack's own."""
        own = f"{self.public_base_url.rstrip('/')}/simulator/"
        return self.embedded and base_url is not None and base_url.startswith(own)

    @property
    def webhooks_insecure(self) -> bool:
        """Whether customers' endpoints may be http and on this machine, as the local stack's own is."""
        return self.embedded

    @property
    def worker(self) -> WorkerSettings:
        """The part that Temporal's client and workers need."""
        return WorkerSettings(**{name: getattr(self, name) for name in WorkerSettings.model_fields})
