"""How every process of the product logs."""

import sys

import structlog


def configure_logs() -> None:
    """One line an event, and faults with a plain traceback. Call first in a process.

    Never with the variables of each frame, as structlog does by itself: they hold what callers said and credentials,
    and to draw them takes a second in which the whole process stands still.
    """
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.StackInfoRenderer(),
            structlog.dev.set_exc_info,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.dev.ConsoleRenderer(
                colors=sys.stdout.isatty(), exception_formatter=structlog.dev.plain_traceback
            ),
        ]
    )
