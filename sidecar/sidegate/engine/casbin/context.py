"""The sections of a model that one evaluation uses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sidegate.engine.casbin.model import Definition, refuse_deny_without_effects
from sidegate.errors import ModelError, RequestError


@dataclass(frozen=True, slots=True)
class EnforceContext:
    """The sections of one evaluation, given as the first value of a request."""

    request: str = "r"
    policy: str = "p"
    effect: str = "e"
    matcher: str = "m"


DEFAULT_CONTEXT = EnforceContext()


def split_request(request: Sequence[object], definition: Definition) -> tuple[EnforceContext, tuple[object, ...]]:
    """Return the context of a request and its values.

    Raises:
        RequestError: a section that the model lacks, or the wrong number of values.
    """
    values = tuple(request)
    if not values or not isinstance(values[0], EnforceContext):
        return DEFAULT_CONTEXT, _checked_size(values, "r", definition)
    context, values = values[0], values[1:]
    sections = (
        (context.request, definition.requests),
        (context.policy, definition.policies),
        (context.effect, definition.effects),
        (context.matcher, definition.matchers),
    )
    for name, defined in sections:
        if name not in defined:
            raise RequestError(f"the model defines no `{name}`")
    try:
        refuse_deny_without_effects(definition, context.effect, context.policy)
    except ModelError as error:
        raise RequestError(str(error)) from error
    return context, _checked_size(values, context.request, definition)


def _checked_size(values: tuple[object, ...], section: str, definition: Definition) -> tuple[object, ...]:
    fields = definition.requests[section]
    if len(values) != len(fields):
        raise RequestError(f"{len(values)} values; `{section}` is defined with {len(fields)}")
    return values
