"""What every integration test takes as given."""

import pytest

PATIENCE_SECONDS = 10.0
HASTE = (
    "actors.api_limits.OWNER_SECONDS",
    "serve.cached_reads.OWNER_SECONDS",
    "serve.call_control._SHOW_SECONDS",
    "serve.readiness.PROBE_SECONDS",
    "storage.cache.ANSWER_SECONDS",
    "storage.client_limits._ANSWER_SECONDS",
    "workflows.client._SIGNAL_SECONDS",
)
"""After a fraction of a second, or two, the product does without these answers, and is right to."""


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is there is waited for, however busy the machine: what is tested is what follows its answer."""
    for bound in HASTE:
        monkeypatch.setattr(bound, PATIENCE_SECONDS)
