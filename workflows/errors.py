"""What asking a provider can fail with.

ProviderError
├── ProviderUnavailableError  away, too slow, overloaded (5xx, 429): worth another try
│   ├── AmbiguousError        no answer after it was sent: it may have been carried out
│   └── WrongAccountError     the key is of another account: away until somebody has mended that
├── AbsentError               404 or 410: it has no such thing (any more)
└── RefusedError              any other refusal, or an address we do not fetch from: trying again changes nothing

Messages name statuses and reasons, never addresses or contents: they end up in histories and logs.
"""


class ProviderError(Exception):
    """Root of what a provider's client raises. The cause is kept."""


class ProviderUnavailableError(ProviderError):
    """The provider is away, too slow or overloaded. `retry_after_seconds` is what it asked for, if it did."""

    def __init__(self, message: str = "", *, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class AmbiguousError(ProviderUnavailableError):
    """The request was sent and not answered: whether it was carried out is not known.

    Worth another try as it is where the provider knows an idempotency key; elsewhere only after a look.
    """


class WrongAccountError(ProviderUnavailableError):
    """The key is of an account of the provider's that knows nothing of the organization: what it lacks says nothing."""


class AbsentError(ProviderError):
    """The provider has no such thing."""


class RefusedError(ProviderError):
    """The provider refuses, or we do.

    `code` is the provider's own name for the reason, if it gave one, `status` what it answered with, if it did.
    """

    def __init__(self, message: str = "", *, code: str | None = None, status: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
