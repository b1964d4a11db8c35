"""Organizations hash to one of 256 slots; a slot has one owner at a time."""

from functools import lru_cache
from uuid import UUID

import xxhash

SLOTS = 256


@lru_cache(65_536)
def slot_of(organization_id: str) -> int:
    """The slot of an organization: stable across processes, machines and releases (never `hash()`)."""
    return xxhash.xxh3_64_intdigest(UUID(organization_id).bytes) % SLOTS
