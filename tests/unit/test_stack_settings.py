from pathlib import Path

import pytest
from pydantic import SecretStr

from serve.config import Settings
from serve.local_issuer import local_issuer
from serve.stack.driver_settings import driver_settings
from serve.stack.ports import PortBlock
from serve.stack.servers import plan_servers
from serve.stack.state import DataFolder

EMBEDDED = {
    "DATABASE_URL": "postgresql://embedded",
    "REDIS_URL": "redis://embedded",
    "TEMPORAL_ADDRESS": "127.0.0.1:20002",
}


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    return DataFolder(tmp_path)


def settings_of(folder: DataFolder, environment: dict[str, str], servers: dict[str, str]) -> dict[str, str]:
    return driver_settings(
        folder=folder,
        secrets=folder.secrets(),
        environment=environment,
        servers=servers,
        http_port=9000,
        live_port=9001,
        shards=3,
        replicas=1,
    )


def test_the_product_finds_every_setting_it_needs(folder: DataFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in settings_of(folder, {}, EMBEDDED).items():
        monkeypatch.setenv(name, value)
    settings = Settings()  # pyright: ignore[reportCallIssue]  # from the environment
    assert settings.embedded
    assert local_issuer(settings) is not None
    assert settings.database_url == EMBEDDED["DATABASE_URL"]
    assert (settings.public_base_url, settings.live_url) == ("http://127.0.0.1:9000", "ws://127.0.0.1:9001")
    assert (settings.http_port, settings.live_port, settings.shards, settings.ingress_replicas) == (9000, 9001, 3, 1)


def test_a_real_vendor_replaces_an_embedded_part(folder: DataFolder) -> None:
    elsewhere = {"DATABASE_URL": "postgresql://elsewhere", "VAPI_BASE_URL": "https://api.example", "HOME": "/home"}
    plans = plan_servers(folder, PortBlock(first=20_000), folder.secrets(), elsewhere)
    assert [plan.setting for plan in plans] == ["REDIS_URL", "TEMPORAL_ADDRESS"]
    settings = settings_of(folder, elsewhere, {plan.setting: EMBEDDED[plan.setting] for plan in plans})
    assert settings.get("DATABASE_URL", elsewhere["DATABASE_URL"]) == "postgresql://elsewhere"
    assert settings["VAPI_BASE_URL"] == "https://api.example"


def test_a_real_project_issues_the_tokens_in_place_of_ours(folder: DataFolder) -> None:
    settings = settings_of(folder, {"SUPABASE_URL": "https://project.supabase.co"}, EMBEDDED)
    assert settings["SUPABASE_URL"] == "https://project.supabase.co"
    assert "SUPABASE_SIGNING_KEY" not in settings


def test_vendors_are_simulated_until_somebody_brings_a_credential(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = settings_of(folder, {}, EMBEDDED)
    assert told == settings_of(folder, {}, EMBEDDED), "secrets are kept"
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    settings = Settings()  # pyright: ignore[reportCallIssue]  # from the environment
    for vendor in ("stripe", "twilio", "resend"):
        base_url = getattr(settings.worker, f"{vendor}_base_url")
        assert base_url == f"http://127.0.0.1:9000/simulator/{vendor}"
        assert settings.simulates(base_url)
    assert settings.worker.webhooks_insecure
    assert settings.worker.public_base_url == "http://127.0.0.1:9000"
    real = settings_of(folder, {"STRIPE_SECRET_KEY": "sk_live", "RESEND_BASE_URL": "https://r.example"}, EMBEDDED)
    assert not [name for name in real if name.startswith(("STRIPE", "RESEND"))]
    assert real["TWILIO_ACCOUNT_SID"].startswith("AC")


def test_an_address_elsewhere_is_no_simulator() -> None:
    settings = Settings(
        database_url="",
        redis_url="",
        temporal_address="",
        encryption_key=SecretStr(""),
        recordings_url="",
        embedded=True,
    )
    for base_url in (None, "https://api.stripe.com", "http://127.0.0.1:8000.attacker.example/simulator/stripe"):
        assert not settings.simulates(base_url)
