"""What a person sees while the stack starts and stops: one line per step, with its time or its reason to fail."""

import time
from collections.abc import Generator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape

from storage.child_process import ServerFailedError


class StackError(Exception):
    """Why the stack cannot start, in a sentence, and what to do about it."""

    def __init__(self, reason: str, *, hint: str = "") -> None:
        super().__init__(reason)
        self.hint = hint


class Steps:
    """Prints steps: a spinner on a terminal, plain lines anywhere else."""

    def __init__(self, console: Console) -> None:
        self.console = console

    @contextmanager
    def step(self, name: str, *, began: float | None = None) -> Generator[None]:
        """Show a step while the body runs; `began` (monotonic seconds) counts what ran beside earlier steps."""
        began = time.monotonic() if began is None else began
        try:
            with self.console.status(f"{name} …") if self.console.is_terminal else _nothing():
                yield
        except Exception:
            self._line("✗", "red", name, began)
            raise
        self._line("✓", "green", name, began)

    def note(self, text: str) -> None:
        """Print a line of the running stack, with the time of day."""
        self.console.print(f"  {time.strftime('%H:%M:%S')} {text}", markup=False, highlight=False)

    def failure(self, error: Exception) -> None:
        """Say why a step failed, what its log said last and what to do."""
        self.console.print(f"    {escape(str(error))}", highlight=False, soft_wrap=True)
        if isinstance(error, ServerFailedError):
            for line in error.log_tail.splitlines():
                self.console.print(f"      [dim]{escape(line)}[/dim]", highlight=False, soft_wrap=True)
            self.console.print(f"    the whole log: {error.log_path}", markup=False, highlight=False, soft_wrap=True)
        if hint := hint_for(error):
            self.console.print(f"    → {hint}", markup=False, highlight=False, soft_wrap=True)

    def _line(self, mark: str, colour: str, name: str, began: float) -> None:
        seconds = time.monotonic() - began
        self.console.print(f"  [{colour}]{mark}[/{colour}] {name:<34}[dim]{seconds:6.1f} s[/dim]", highlight=False)


def hint_for(error: Exception) -> str:
    """Say what to do about a failure, as far as its own words tell."""
    if isinstance(error, StackError):
        return error.hint
    words = f"{error} {error.log_tail if isinstance(error, ServerFailedError) else ''}"
    if "No space left on device" in words:
        return "the disk is full: free some space, then start again"
    if "Address already in use" in words:
        return "another process took the port meanwhile: start again"
    if "Cannot allocate memory" in words or "could not map anonymous shared memory" in words:
        return "too little memory is free: the stack needs about 3 GB"
    return ""


@contextmanager
def _nothing() -> Generator[None]:
    yield
