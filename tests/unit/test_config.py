"""Settings come from the environment, and say what is missing."""

import pytest
from pydantic import ValidationError

from serve.config import Settings

REQUIRED = {
    "DATABASE_URL": "postgresql://localhost/supervisor",
    "TEMPORAL_ADDRESS": "localhost:7233",
    "ENCRYPTION_KEY": "AAAA",
    "RECORDINGS_URL": "s3://recordings",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REDIS_URL", "UPSTASH_REDIS_URL", "UPSTASH_REDIS_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in REQUIRED.items():
        monkeypatch.setenv(name, value)


def settings() -> Settings:
    return Settings()  # pyright: ignore[reportCallIssue]  # the environment fills it


def test_the_upstash_pair_stands_for_a_redis_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPSTASH_REDIS_URL", "https://eu1-example.upstash.io")
    monkeypatch.setenv("UPSTASH_REDIS_TOKEN", "a/b")
    assert settings().redis_url == "rediss://default:a%2Fb@eu1-example.upstash.io:6379"


def test_a_redis_url_of_its_own_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPSTASH_REDIS_URL", "https://eu1-example.upstash.io")
    monkeypatch.setenv("UPSTASH_REDIS_TOKEN", "token")
    monkeypatch.setenv("REDIS_URL", "redis://localhost:6379/0")
    assert settings().redis_url == "redis://localhost:6379/0"


def test_without_either_the_missing_setting_is_named() -> None:
    with pytest.raises(ValidationError, match="redis_url"):
        settings()


def test_no_secret_shows_when_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://localhost:6379/0")
    monkeypatch.setenv("ENCRYPTION_KEY", "planted-secret")
    assert "planted-secret" not in repr(settings())
