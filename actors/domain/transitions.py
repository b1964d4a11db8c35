"""Which status a call has after a message: the table that the merge of `call.py` amounts to, for people to read.

A row is a kind of message (for a `status-update`, the status it tells), a column the status before, a cell the status
after. A status moves only up, so the order of messages does not matter; any other kind of message leaves it.
"""

from collections.abc import Mapping
from typing import Final

from actors.domain.call import CallStatus

S, Q, R, P, F, E = (
    CallStatus.SCHEDULED,
    CallStatus.QUEUED,
    CallStatus.RINGING,
    CallStatus.IN_PROGRESS,
    CallStatus.FORWARDING,
    CallStatus.ENDED,
)

BEFORE: Final = (S, Q, R, P, F, E)
AFTER: Final[Mapping[str, tuple[CallStatus, ...]]] = {
    # before:                         S  Q  R  P  F  E
    "status-update scheduled":       (S, Q, R, P, F, E),
    "status-update queued":          (Q, Q, R, P, F, E),
    "status-update ringing":         (R, R, R, P, F, E),
    "status-update in-progress":     (P, P, P, P, F, E),
    "status-update forwarding":      (F, F, F, F, F, E),
    "status-update ended":           (E, E, E, E, E, E),
    "status-update not-found":       (S, Q, R, P, F, E),
    "status-update deletion-failed": (S, Q, R, P, F, E),
    "assistant-request":             (R, R, R, P, F, E),
    "let-through":                   (R, R, R, P, F, E),
    "call-seen":                     (P, P, P, P, F, E),
    "hang":                          (P, P, P, P, F, E),
    "tool-calls":                    (P, P, P, P, F, E),
    "function-call":                 (P, P, P, P, F, E),
    "transfer-destination-request":  (P, P, P, P, F, E),
    "handoff-destination-request":   (P, P, P, P, F, E),
    "transfer-update":               (F, F, F, F, F, E),
    "end-of-call-report":            (E, E, E, E, E, E),
    "call-end":                      (E, E, E, E, E, E),
    "call.deleted":                  (E, E, E, E, E, E),
}  # fmt: skip
