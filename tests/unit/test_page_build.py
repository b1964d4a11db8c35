"""What is told when the page cannot be built: what the tool said of it, and whose fault that is."""

import sys
from pathlib import Path

import pytest

from serve.stack import page_build
from serve.stack.steps import StackError

FAILED = """\
\x1b[31m✗\x1b[39m Build failed in 146ms
\x1b[31m[builtin:vite-transform] \x1b[0mUnexpected token
    \x1b[38;5;246m[\x1b[0m src/shell/narrow.ts:14:23 \x1b[38;5;246m]\x1b[0m
    at unwrapBindingResult (file:///somewhere/node_modules/rolldown/dist/shared/one.mjs:20:128)
    at async node:internal/modules/run_main:1
}
"""


def test_what_a_tool_said_is_told_without_colours_and_its_own_stack() -> None:
    said = page_build.worth_reading(FAILED)
    assert said.splitlines() == [
        "✗ Build failed in 146ms",
        "[builtin:vite-transform] Unexpected token",
        "    [ src/shell/narrow.ts:14:23 ]",
    ]
    much = page_build.worth_reading("\n".join(f"line {number}" for number in range(1_000))).splitlines()
    assert (much[0], much[-1]) == ("line 0", "line 999")
    assert len(much) < 40


def test_sources_that_do_not_compile_are_not_blamed_on_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real steps, with a compiler that refuses: who reads it is sent to the sources."""
    vite = tmp_path / "node_modules" / "vite" / "bin" / "vite.js"
    vite.parent.mkdir(parents=True)
    vite.write_text("raise SystemExit('src/main.tsx:1:1 Unexpected token')")
    (tmp_path / "src").mkdir()
    (tmp_path / "package.json").write_text("{}")
    for name in ("package-lock.json", "index.html", "tsconfig.json", "vite.config.ts"):
        (tmp_path / name).touch()
    monkeypatch.setattr(page_build, "DASHBOARD", tmp_path)
    monkeypatch.setattr(page_build, "DIST", tmp_path / "dist")
    monkeypatch.setattr(page_build, "_node_with_packages", lambda: [sys.executable])
    with pytest.raises(StackError) as refused:
        page_build.build()
    assert "src/main.tsx:1:1 Unexpected token" in str(refused.value)
    assert "the fault is in the sources" in refused.value.hint
    assert "install Node" not in refused.value.hint
