"""What asking a provider can fail with.

ProviderError
├── ProviderUnavailableError  away, too slow, overloaded (5xx, 429): worth another try
├── AbsentError               404 or 410: it has no such thing (any more)
└── RefusedError              any other refusal, or an address we do not fetch from: trying again changes nothing

Messages name statuses and reasons, never addresses or contents: they end up in histories and logs.
"""


class ProviderError(Exception):
    """Root of what a provider's client raises. The cause is kept."""


class ProviderUnavailableError(ProviderError):
    """The provider is away, too slow or overloaded."""


class AbsentError(ProviderError):
    """The provider has no such thing."""


class RefusedError(ProviderError):
    """The provider refuses, or we do."""
