"""How what the engine remembers is stored: dataclasses as plain data, and back."""

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import StrEnum
from functools import cache
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints


class StateError(ValueError):
    """A stored state that cannot be read; names the field."""


@cache
def _names(cls: type) -> tuple[str, ...]:
    return tuple(item.name for item in fields(cls))


@cache
def _required(cls: type) -> frozenset[str]:
    """Return the fields that have no default."""
    return frozenset(
        item.name
        for item in fields(cls)
        if item.default is MISSING and item.default_factory is MISSING
    )


@cache
def _hints(cls: type) -> Mapping[str, Any]:
    return get_type_hints(cls)


def to_dict(value: Any) -> Any:
    """Return `value` as JSON-ready plain data."""
    if is_dataclass(value) and not isinstance(value, type):
        return {name: to_dict(getattr(value, name)) for name in _names(type(value))}
    if isinstance(value, dict):
        return {key: to_dict(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_dict(item) for item in value]
    if isinstance(value, StrEnum):
        return value.value
    return value


def from_dict[T](cls: type[T], data: Any, path: str = "state") -> T:
    """Read a stored `cls` back; absent fields keep their defaults.

    JSON knows no NaN and no infinity and has null instead: such a number keeps its
    default too, or is left out of a list or mapping, and costs nothing but itself.
    Raises `StateError` that names the field when a value has the wrong type. Unknown
    fields, from a version that has gone back, are left out.
    """
    result: T = _read(cls, data, path)
    return result


def _read(hint: Any, data: Any, path: str) -> Any:
    origin = get_origin(hint)
    if isinstance(hint, UnionType) or origin is UnionType:
        if data is None:
            return None
        (inner,) = (arg for arg in get_args(hint) if arg is not type(None))
        return _read(inner, data, path)
    if origin in (dict, Mapping):
        if not isinstance(data, dict):
            raise StateError(f"{path}: expected an object, found {data!r}")
        item = get_args(hint)[1]
        return {
            key: _read(item, value, f"{path}.{key}")
            for key, value in data.items()
            if not (value is None and item is float)
        }
    if origin in (list, tuple):
        if not isinstance(data, list | tuple):
            raise StateError(f"{path}: expected a list, found {data!r}")
        args = get_args(hint)
        if origin is tuple and args[-1] is ...:
            return tuple(
                _read(args[0], value, f"{path}[{i}]") for i, value in enumerate(data)
            )
        if origin is tuple and len(data) != len(args):
            raise StateError(f"{path}: expected {len(args)} items, found {data!r}")
        if origin is list:
            return [
                _read(args[0], value, f"{path}[{i}]")
                for i, value in enumerate(data)
                if not (value is None and args[0] is float)
            ]
        return tuple(
            _read(arg, value, f"{path}[{i}]")
            for i, (arg, value) in enumerate(zip(args, data, strict=True))
        )
    if is_dataclass(hint) and isinstance(hint, type):
        if not isinstance(data, dict):
            raise StateError(f"{path}: expected an object, found {data!r}")
        hints = _hints(hint)
        values = {
            name: _read(hints[name], data[name], f"{path}.{name}")
            for name in _names(hint)
            if name in data and not (data[name] is None and hints[name] is float)
        }
        missing = _required(hint) - values.keys()
        if missing:
            raise StateError(f"{path}: expected {', '.join(sorted(missing))} as well")
        return hint(**values)
    return _scalar(hint, data, path)


def _scalar(hint: type, data: Any, path: str) -> Any:
    if issubclass(hint, StrEnum):
        try:
            return hint(data)
        except ValueError as err:
            raise StateError(f"{path}: {data!r} is not one of {list(hint)}") from err
    if hint is float and isinstance(data, int | float) and not isinstance(data, bool):
        return float(data)
    if hint in (int, bool, str) and type(data) is hint:
        return data
    raise StateError(f"{path}: expected {hint.__name__}, found {data!r}")
