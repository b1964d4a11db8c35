"""An assistant made from a template: what it leaves open, filled in."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from serve.errors import InvalidParameterError

_OPEN: Final = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")


def filled(config: Any, variables: Sequence[Mapping[str, Any]], values: Mapping[str, str]) -> Any:
    """`config` with `{{name}}` replaced by the value, else the default, of each of the template's variables.

    Other names in braces stay: VAPI fills in those of the call. Raises InvalidParameterError for a value the template
    knows no variable of, and for a variable left without one.
    """
    defaults = {str(each["name"]): each.get("default") for each in variables}
    unknown = sorted(values.keys() - defaults.keys())
    missing = sorted(name for name, default in defaults.items() if default is None and name not in values)
    faults = [(name, "The template has no such variable.") for name in unknown]
    faults += [(name, "The template needs a value.") for name in missing]
    if faults:
        told = [{"at": f"body.variables.{name}", "detail": detail} for name, detail in faults]
        raise InvalidParameterError("Some values are not permitted.", told)
    return _filled(config, {**{name: str(default) for name, default in defaults.items()}, **values})


def _filled(value: Any, values: Mapping[str, str]) -> Any:
    match value:
        case str():
            return _OPEN.sub(lambda found: values.get(found[1], found[0]), value)
        case list():
            return [_filled(each, values) for each in value]  # pyright: ignore[reportUnknownVariableType]  # any JSON
        case dict():
            return {name: _filled(each, values) for name, each in value.items()}  # pyright: ignore[reportUnknownVariableType]
        case _:
            return value
