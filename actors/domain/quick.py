"""Frozen dataclasses that are made in a third of the time. For what is made with every event.

The `__init__` that `dataclasses` writes has to get each field past the class's own `__setattr__`, which refuses. Here
an instance is written while it belongs to an open twin, a class with the same slots that refuses nothing.
"""

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from typing import Any, TypeVar

T = TypeVar("T")

_twins: dict[type, type] = {}


def open_twin(cls: type) -> type:
    """A class whose instances become those of the frozen dataclass with slots `cls` once their `__class__` is set."""
    if cls not in _twins:
        slots = tuple(each.name for each in fields(cls))  # pyright: ignore[reportArgumentType]  # see above
        _twins[cls] = type(cls.__name__, (), {"__slots__": slots})
    return _twins[cls]


def quick(cls: type[T]) -> type[T]:
    """The class, a frozen dataclass with slots and without `__post_init__`, with another `__init__` that says the same.

    The function is written out, as `dataclasses` does it: a loop over the fields would take longer than what it saves.
    """
    scope: dict[str, Any] = {"cls": cls, "twin": open_twin(cls), "put": object.__setattr__, "MISSING": MISSING}
    told: list[str] = []
    lines = ["put(self, '__class__', twin)"]
    for each in fields(cls):  # pyright: ignore[reportArgumentType]  # what it has to be says the docstring
        if each.kw_only and "*" not in told:
            told.append("*")
        told.append(_parameter(each, scope))
        made = f"make_{each.name}() if {each.name} is MISSING else " if f"make_{each.name}" in scope else ""
        lines.append(f"self.{each.name} = {made}{each.name}")
    lines.append("self.__class__ = cls")
    body = "\n".join(f"        {line}" for line in lines)
    cls.__init__ = built(f"    def __init__(self, {', '.join(told)}):\n{body}\n    return __init__", scope)
    cls.__init__.__qualname__ = f"{cls.__qualname__}.__init__"
    return cls


def built(body: str, scope: Mapping[str, Any]) -> Any:
    """What a function of this body returns. What stands in `scope` is at hand in it: a global would be looked up."""
    made: dict[str, Any] = {}
    exec(f"def build({', '.join(scope)}):\n{body}", made)  # noqa: S102  # made of the names of fields alone
    return made["build"](**scope)


def _parameter(each: "Field[Any]", scope: dict[str, Any]) -> str:
    """The parameter of a field; what it is when it is not given goes into the scope."""
    if each.default_factory is not MISSING:
        scope[f"make_{each.name}"] = each.default_factory
        return f"{each.name}=MISSING"
    if each.default is not MISSING:
        scope[f"default_{each.name}"] = each.default
        return f"{each.name}=default_{each.name}"
    return each.name
