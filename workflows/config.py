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
    encryption_key: SecretStr
    recordings_url: str
    """`s3://bucket/prefix` (with the usual AWS_* variables) or `file:///folder`."""
    vapi_base_url: str = "https://api.vapi.ai"
