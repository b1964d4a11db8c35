"""What passed through a replica's webhook door, counted since it started."""

from dataclasses import asdict, dataclass


@dataclass(slots=True, kw_only=True)
class Figures:
    """Plain counters of one event loop; whoever exports metrics reads them."""

    received: int = 0
    """Authentic messages that could be read."""
    stored: int = 0
    """Events that were new."""
    duplicates: int = 0
    heard: int = 0
    """Chatter handed over."""
    unknown_types: int = 0
    unknown_fields: int = 0
    """Members of messages that were new to us, types aside."""
    refused: int = 0
    """Requests answered with 4xx."""
    unavailable: int = 0
    """Requests answered with 503."""
    failed: int = 0
    """Requests answered with 500: faults of ours."""
    replaced_characters: int = 0
    dropped_hints: int = 0
    """Hand-overs the router had no room for: the sweep brings stored ones, chatter is gone."""
    answered_from_copy: int = 0
    """Assistant requests let through while Postgres or the owner was away."""
    calls_refused: int = 0
    """Assistant requests the owner refused."""
    unrecorded: int = 0
    """Assistant requests answered and never stored, because Postgres stayed away."""
    tool_failures: int = 0
    unclaimed: int = 0
    """Words of other vendors about messages and accounts that are not known here (yet)."""

    def count(self, *, is_claimed: bool, is_new: bool) -> None:
        """A vendor's word was taken in."""
        self.unclaimed += not is_claimed
        self.stored += is_claimed and is_new
        self.duplicates += is_claimed and not is_new

    def as_dict(self) -> dict[str, int]:
        return asdict(self)
