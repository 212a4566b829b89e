"""Values of the protocol to JSON and back, by the annotations of the generated classes."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Mapping
from enum import Enum, StrEnum
from functools import cache
from types import NoneType, UnionType
from typing import Any, ClassVar, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from .failure import ProtocolError

T = TypeVar("T")


class Structure:
    """An object of the protocol. Members that this version does not know are ignored when it is read."""

    __slots__ = ()


class Notification(Structure):
    """What is said without an answer."""

    __slots__ = ()
    METHOD: ClassVar[str]


class OpenEnum(StrEnum):
    """An enumeration that takes other values too: they keep their text and are equal to it."""

    @classmethod
    def _missing_(cls, value: object) -> OpenEnum | None:
        if not isinstance(value, str):
            return None
        member = str.__new__(cls, value)
        member._name_ = member._value_ = value
        return member


@cache
def members(structure: Any) -> tuple[tuple[str, str], ...]:
    """Each member's name in Python and in the protocol."""
    fields = dataclasses.fields(structure)
    return tuple((field.name, field.metadata.get("name") or camel_case(field.name)) for field in fields)


def camel_case(name: str) -> str:
    """`layer_count` to `layerCount`, and `from_` to `from`."""
    first, *others = name.rstrip("_").split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in others)


def encode(value: object) -> Any:
    """JSON of structures, enumerations, sequences and mappings; what is None is left out of objects."""
    if isinstance(value, Structure):
        pairs = ((wire, getattr(value, name)) for name, wire in members(cast(Any, type(value))))
        return {wire: encode(member) for wire, member in pairs if member is not None}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): encode(member) for key, member in value.items() if member is not None}
    if isinstance(value, (list, tuple)):
        return [encode(element) for element in value]
    if value is None or isinstance(value, (str, int, float)):
        return value
    if hasattr(value, "__fspath__"):
        return value.__fspath__()
    raise TypeError(f"{type(value).__name__} has no place in a message")


def decode(hint: type[T], value: object, path: str = "result") -> T:
    """The value of an annotation's type. Raises ProtocolError, with the path, for anything else."""
    return cast(T, _decoder(cast(Any, hint))(value, path))


Decoder = Callable[[object, str], Any]


@cache
def _decoder(hint: Any) -> Decoder:
    if isinstance(hint, type):
        if issubclass(hint, Structure):
            return _structure(hint)
        if issubclass(hint, Enum):
            return _enumeration(hint)
        return _scalar(hint)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return _union(arguments)
    if origin is dict or origin is not None and issubclass(origin, Mapping):
        return _mapping(arguments[1])
    return _sequence(arguments[0])


def _structure(hint: Any) -> Decoder:
    # Annotations name classes that come later in the module, and so are looked at when they are first needed.
    hints = get_type_hints(hint, vars(sys.modules[hint.__module__]))
    plan = [(name, wire, hints[name]) for name, wire in members(hint)]

    def read(value: object, path: str) -> Any:
        if not isinstance(value, dict):
            raise ProtocolError(f"{path} is no object")
        present = {}
        for name, wire, inner in plan:
            member = value.get(wire)
            if member is None and not _is_optional(inner):
                raise ProtocolError(f"{path}.{wire} is missing")
            present[name] = None if member is None else _decoder(inner)(member, f"{path}.{wire}")
        return hint(**present)

    return read


def _enumeration(hint: type[Enum]) -> Decoder:
    def read(value: object, path: str) -> Any:
        try:
            return hint(value)
        except ValueError:
            raise ProtocolError(f"{path} is no {hint.__name__}: {value!r}") from None

    return read


def _scalar(hint: type) -> Decoder:
    def read(value: object, path: str) -> Any:
        if hint is object or isinstance(value, hint) and (hint is bool or not isinstance(value, bool)):
            return None if hint is NoneType else value
        if hint is NoneType and isinstance(value, dict):  # what a request answers that has nothing to say
            return None
        raise ProtocolError(f"{path} is no {hint.__name__}")

    return read


def _union(hints: tuple[Any, ...]) -> Decoder:
    hints = tuple(inner for inner in hints if inner is not NoneType)
    if len(hints) == 1:
        return _decoder(hints[0])

    def read(value: object, path: str) -> Any:
        for inner in hints:
            try:
                return _decoder(inner)(value, path)
            except ProtocolError:
                continue
        raise ProtocolError(f"{path} is none of {', '.join(inner.__name__ for inner in hints)}")

    return read


def _mapping(inner: Any) -> Decoder:
    def read(value: object, path: str) -> Any:
        if not isinstance(value, dict):
            raise ProtocolError(f"{path} is no object")
        return {key: _decoder(inner)(member, f"{path}.{key}") for key, member in value.items()}

    return read


def _sequence(inner: Any) -> Decoder:
    def read(value: object, path: str) -> Any:
        if not isinstance(value, list):
            raise ProtocolError(f"{path} is no array")
        return [_decoder(inner)(element, f"{path}[{index}]") for index, element in enumerate(value)]

    return read


@cache
def _is_optional(hint: Any) -> bool:
    return get_origin(hint) in (Union, UnionType) and NoneType in get_args(hint)
