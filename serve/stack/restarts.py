"""How often a part may be started again before the stack gives up."""

import time
from collections import defaultdict, deque
from dataclasses import dataclass, field

from serve.stack.steps import StackError


@dataclass(slots=True, kw_only=True)
class RestartBudget:
    """Allows `limit` restarts of each part within `window_s` seconds, each after a doubled wait."""

    limit: int
    window_s: float
    first_wait_s: float = 0.2
    _past: dict[str, deque[float]] = field(default_factory=lambda: defaultdict(deque))

    def admit(self, part: str, now: float) -> float:
        """Count a restart and return the seconds to wait before it; raises StackError beyond the limit."""
        past = self._past[part]
        while past and now - past[0] > self.window_s:
            past.popleft()
        if len(past) >= self.limit:
            raise StackError(
                f"{part} ended {len(past) + 1} times within {self.window_s / 60:.0f} minutes",
                hint="its log says why; the stack stops so that nothing pretends to work",
            )
        past.append(now)
        return self.first_wait_s * (2.0 ** (len(past) - 1))

    def wait(self, part: str) -> None:
        """Count a restart and sleep until it may begin."""
        time.sleep(self.admit(part, time.monotonic()))
