from collections.abc import Iterator

import pytest
import structlog

from actors.logs import configure_logs


@pytest.fixture(autouse=True)
def _configured() -> Iterator[None]:
    before = structlog.get_config()
    configure_logs()
    yield
    structlog.configure(**before)


def test_a_fault_is_told_without_what_its_frames_hold(capsys: pytest.CaptureFixture[str]) -> None:
    def fail(said: str) -> None:
        raise ArithmeticError(f"{len(said)} letters")

    try:
        fail("42" * 8)
    except ArithmeticError:
        structlog.get_logger("test").exception("a row cannot be taken in", rows=[1])
    told = capsys.readouterr().out
    assert "a row cannot be taken in" in told
    assert "ArithmeticError: 16 letters" in told
    assert "42" * 8 not in told
