"""The shapes of JSON: what inbox rows tell and clients are told."""

from collections.abc import Mapping
from typing import TypeAlias

JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | None"
Facts: TypeAlias = Mapping[str, JSON]
