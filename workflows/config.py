"""Settings of the workers, read from the environment once, in the composition root."""

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class WorkerSettings(BaseSettings):
    """What a worker process is told from outside. No secret has a default."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", case_sensitive=False)

    database_url: str
    database_prepared_statements: bool = True
    temporal_address: str
    temporal_namespace: str = "default"
    temporal_client_cert: SecretStr | None = None
    temporal_client_key: SecretStr | None = None
    temporal_api_key: SecretStr | None = None
    temporal_search_attributes: bool = False
    """Whether those of workflows/search_attributes.py are registered, where no worker may register them."""
    encryption_key: SecretStr
    recordings_url: str
    """`s3://bucket/prefix` (with the usual AWS_* variables) or `file:///folder`."""
    vapi_base_url: str = "https://api.vapi.ai"
    action_items_model: str | None = None
    """As pydantic-ai names models, `openai:…`; its key is in its vendor's own variable. Without one, rules do."""

    # A vendor without its secrets is off: what would ask it says so and goes on.
    stripe_secret_key: SecretStr | None = None
    stripe_base_url: str | None = None
    """Another address than the vendor's own, as of the local simulator; so for each vendor."""
    twilio_account_sid: str | None = None
    twilio_auth_token: SecretStr | None = None
    twilio_from: str | None = None
    """The number that text messages come from, in E.164."""
    twilio_base_url: str | None = None
    resend_api_key: SecretStr | None = None
    resend_from: str | None = None
    """Whom emails come from: `name@domain`, or `Name <name@domain>`."""
    resend_base_url: str | None = None
    public_base_url: str | None = None
    """Where vendors reach us with what becomes of a message."""
    webhooks_insecure: bool = False
    """Whether customers' endpoints may be http and on this machine: for a stack on one machine alone."""
