"""The values of a request as rule conditions read them: declared properties only."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType, ModuleType
from typing import Final, NoReturn

from sidegate.errors import EvaluationError

_NOTHING: Final[Mapping[str, object]] = MappingProxyType({})


class Entity:
    """A subject, resource, tenant or context as conditions see it: frozen, read by property name.

    A missing property raises AttributeError; the code that builds an entity sets every declared one.
    `ancestors` is for registered functions such as `scope`.
    """

    __slots__ = ("_ancestors", "_properties")
    _ancestors: Mapping[str, str]
    _properties: Mapping[str, object]

    def __init__(self, properties: Mapping[str, object], ancestors: Mapping[str, str] | None = None) -> None:
        object.__setattr__(self, "_properties", properties)
        object.__setattr__(self, "_ancestors", MappingProxyType({}) if ancestors is None else ancestors)

    def __getattr__(self, name: str) -> object:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self._properties[name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: object) -> NoReturn:
        message = f"an entity is frozen; `{name}` can't be set"
        raise AttributeError(message)

    def __delattr__(self, name: str) -> NoReturn:
        message = f"an entity is frozen; `{name}` can't be deleted"
        raise AttributeError(message)

    def __repr__(self) -> str:
        return f"Entity({dict(self._properties)!r})"


def properties_of(entity: Entity) -> Mapping[str, object]:
    """Return the declared properties; conditions can't call this function."""
    return entity._properties  # noqa: SLF001 - this module owns the slot, conditions must not see it


def ancestors_of(entity: Entity) -> Mapping[str, str]:
    """Return type -> reference of the entity and its ancestors; for registered functions."""
    return entity._ancestors  # noqa: SLF001 - this module owns the slot, conditions must not see it


def declared_property(value: object, name: str) -> object:
    """Return the property `name` of a request value: an entity's, a mapping's key, or an object's own attribute.

    Methods, class attributes, computed properties and private names can't be read.

    Raises:
        EvaluationError: the value declares no such property.
    """
    if type(value) is Entity and name[0] != "_":
        try:
            return value._properties[name]  # noqa: SLF001 - this module owns the slot
        except KeyError:
            raise EvaluationError(f"`{name}` is not a declared property") from None
    found = value if isinstance(value, Mapping) else _own_attributes(value, name)
    if name in found and not name.startswith("_"):
        return found[name]
    raise EvaluationError(f"a value of type `{type(value).__name__}` declares no property `{name}`")


def _own_attributes(value: object, name: str) -> Mapping[str, object]:
    """Return the instance's own attribute `name`, without calling any overridden attribute access."""
    if isinstance(value, (type, ModuleType)):
        return _NOTHING
    try:
        own: Mapping[str, object] = object.__getattribute__(value, "__dict__")
    except AttributeError:
        own = _NOTHING
    if name in own or not any(name in _slots(kind) for kind in type(value).__mro__):
        return own
    try:
        return {name: object.__getattribute__(value, name)}
    except AttributeError:
        return _NOTHING


def _slots(kind: type) -> tuple[str, ...]:
    slots = kind.__dict__.get("__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(slots)
