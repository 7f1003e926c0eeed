"""What can be registered, and who may register it, change it and place it where."""

from __future__ import annotations

from collections.abc import Collection

from sidegate.documents.suggestions import near, one_of
from sidegate.errors import InvalidInput, NotPermitted, Violation
from sidegate.membership.command.step import CommandContext
from sidegate.model.reference import ANY, ref, split_ref
from sidegate.policy.pack.schema import InstanceOf, ResourceType


def registrable(step: CommandContext, reference: str) -> ResourceType:
    """Return the type of a reference whose instances are registered one by one.

    Raises:
        InvalidInput: the pack has no such type, or its instances come from elsewhere.
    """
    known = {name: type_ for name, type_ in step.schema.resources.items() if type_.instances is InstanceOf.RESOURCES}
    name, id_ = split_ref(reference)
    if name not in known or not id_ or id_ == ANY:
        message = f"`{reference}` can't be registered: {near(name, known, one_of(known))}"
        raise InvalidInput(Violation("name", message))
    return known[name]


async def ask_on(step: CommandContext, action: str, reference: str) -> None:
    """Require that the actor may do an action on a resource; one that the pack doesn't name is the platform's.

    Raises:
        NotPermitted: the pack denies it.
    """
    if step.caller.is_platform:
        return
    if not action:
        raise NotPermitted(f"only the platform can do this to `{reference}`", why="no_operation")
    await step.ask_action(action, reference)


async def require_registering(step: CommandContext, type_: ResourceType, parents: Collection[str]) -> None:
    """Require that the actor may register one: by an action on the type as a whole, or on the parent it names.

    Raises:
        NotPermitted: the pack denies it.
        InvalidInput: the parent that the pack asks about is not named.
    """
    on, _, action = type_.registered_with.partition(":")
    if on == type_.name or not action:
        await ask_on(step, action, ref(type_.name, ANY))
        return
    parent = next((parent for parent in parents if split_ref(parent)[0] == on), None)
    if parent is None and not step.caller.is_platform:
        raise InvalidInput(Violation("resource.parents", f"expected the `{on}` that a `{type_.name}` is made in"))
    await ask_on(step, action, parent or "")


async def require_moving(step: CommandContext, type_: ResourceType, reference: str, added: Collection[str]) -> None:
    """Require that the actor may place a resource elsewhere: by an action on it, and as for one that is made there.

    Else whoever may register nothing in a template could bring a document before its managers by moving it there.

    Raises:
        NotPermitted: the pack denies it.
    """
    await ask_on(step, type_.moved_with, reference)
    on, _, action = type_.registered_with.partition(":")
    for parent in sorted(added):
        if split_ref(parent)[0] == on:
            await ask_on(step, action, parent)
