"""How an assistant and a telephone number at VAPI must point at us, and in what a record differs from that."""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from actors.domain.json_types import JSON
from workflows.vendors.vapi_values import mapping, sequence

Aspect: TypeAlias = Literal["server_url", "secret", "backoff_plan", "server_messages", "monitor"]

SERVER_MESSAGES: Final = (
    "assistant.started",
    "conversation-update",
    "end-of-call-report",
    "hang",
    "speech-update",
    "status-update",
    "tool-calls",
    "transcript",
    "transfer-update",
    "user-interrupted",
)
"""What the board and the records are made of. VAPI's own default leaves the transcript out."""

_BACKOFF: Final[dict[str, JSON]] = {"type": "exponential", "maxRetries": 10, "baseDelaySeconds": 1}
_MONITOR: Final[dict[str, JSON]] = {
    "listenEnabled": True,
    "listenAuthenticationEnabled": True,
    "controlEnabled": True,
    "controlAuthenticationEnabled": True,
}
_SECRET_HEADER: Final = "X-Vapi-Secret"  # noqa: S105  # its name
_MASKS: Final = frozenset("*•")
_OF_SERVER: Final[AbstractSet[Aspect]] = {"server_url", "secret", "backoff_plan"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """Where VAPI sends an organization's events, and what proves that they are VAPI's.

    `other_secrets` prove it as well, and for good.
    """

    url: str
    secret: str = field(repr=False)
    other_secrets: frozenset[str] = field(default=frozenset(), repr=False)
    authenticates: bool = False
    """Whether live control and listening ask for VAPI's public key: where we hold it, or our own would be refused."""

    def server(self) -> dict[str, JSON]:
        """The `server` of an assistant or a number. VAPI retries nothing without a backoff plan."""
        return {
            "url": self.url,
            "timeoutSeconds": 20,
            "headers": {_SECRET_HEADER: self.secret},
            "backoffPlan": dict(_BACKOFF),
        }

    def of_assistant(self) -> dict[str, JSON]:
        """What an assistant is created or repaired with."""
        monitored: dict[str, JSON] = {"monitorPlan": dict(_MONITOR)} if self.authenticates else {}
        return {"server": self.server(), "serverMessages": [*SERVER_MESSAGES], **monitored}

    def of_number(self) -> dict[str, JSON]:
        """What a number is imported or repaired with."""
        return {"server": self.server()}

    def assistant_differences(self, record: dict[str, JSON]) -> frozenset[Aspect]:
        """In what VAPI's record of an assistant is not ours any more; empty when all is well."""
        told = {each for each in sequence(record.get("serverMessages")) if isinstance(each, str)}
        found = set(self.number_differences(record))
        # More messages than we ask for do no harm, and are somebody's wish.
        if not told.issuperset(SERVER_MESSAGES):
            found.add("server_messages")
        if self.authenticates and not _holds(mapping(record.get("monitorPlan")), _MONITOR):
            found.add("monitor")
        return frozenset(found)

    def number_differences(self, record: dict[str, JSON]) -> frozenset[Aspect]:
        """As `assistant_differences`, for what both have: the server."""
        server = mapping(record.get("server"))
        found: set[Aspect] = set()
        if server.get("url") != self.url:
            found.add("server_url")
        if not self._proves(server):
            found.add("secret")
        if not _holds(mapping(server.get("backoffPlan")), _BACKOFF):
            found.add("backoff_plan")
        return frozenset(found)

    def repair(self, record: dict[str, JSON], aspects: Iterable[Aspect]) -> dict[str, JSON]:
        """What brings these aspects of a record back to ours. More messages than we ask for stay asked for."""
        wanted, changes = frozenset(aspects), dict[str, JSON]()
        if wanted & _OF_SERVER:
            changes["server"] = self.server()
        if "server_messages" in wanted:
            told = [each for each in sequence(record.get("serverMessages")) if each not in SERVER_MESSAGES]
            changes["serverMessages"] = [*SERVER_MESSAGES, *told]
        if "monitor" in wanted:
            changes["monitorPlan"] = {**mapping(record.get("monitorPlan")), **_MONITOR}
        return changes

    def _proves(self, server: dict[str, JSON]) -> bool:
        """Whether VAPI sends a secret of ours. One that it does not show, or shows masked, is taken to be ours."""
        headers = {name.lower(): value for name, value in mapping(server.get("headers")).items()}
        bearer = headers.get("authorization")
        told = (
            headers.get(_SECRET_HEADER.lower()),
            bearer.removeprefix("Bearer ").strip() if isinstance(bearer, str) else bearer,
            server.get("secret"),
        )
        shown = [each for each in told if each]
        if not shown:
            return bool(server.get("credentialId"))
        return any(_is_masked(each) or each in {self.secret, *self.other_secrets} for each in shown)


def _holds(told: dict[str, JSON], wanted: dict[str, JSON]) -> bool:
    return all(told.get(name) == value for name, value in wanted.items())


def _is_masked(told: JSON) -> bool:
    return not isinstance(told, str) or not _MASKS.isdisjoint(told) or "redacted" in told.lower()
