"""What can be registered, and which actors may register, change and move it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sidegate.documents.suggestions import near, one_of
from sidegate.errors import InvalidInput, NotPermitted, Violation
from sidegate.membership.command.context import CommandContext
from sidegate.model.reference import ANY, ref, split_ref
from sidegate.policy.pack.schema import InstanceOf, ResourceType


def require_registrable(context: CommandContext, reference: str, *, field: str = "name") -> ResourceType:
    """Return the type of a reference whose instances are registered one by one.

    Raises:
        InvalidInput: the pack has no such type, or its instances come from elsewhere.
    """
    known = {name: type_ for name, type_ in context.schema.resources.items() if type_.instances is InstanceOf.RESOURCES}
    name, id_ = split_ref(reference)
    if name not in known or not id_ or id_ == ANY:
        message = f"`{reference}` can't be registered: {near(name, known, one_of(known))}"
        raise InvalidInput(Violation(field, message))
    return known[name]


async def ask_on(context: CommandContext, action: str, reference: str) -> None:
    """Require that the actor may do an action on a resource; without an action in the pack, only the platform may.

    Raises:
        NotPermitted: the pack denies it.
    """
    if context.call.is_platform:
        return
    if not action:
        raise NotPermitted(f"only the platform can do this to `{reference}`", why="no_operation")
    await context.ask_action(action, reference)


async def require_registering(context: CommandContext, type_: ResourceType, parents: Collection[str]) -> None:
    """Require that the actor may register one: by an action on each of its parents, or on the type as a whole.

    The action on the type is asked where the pack has no action on one of the parents, or none are named.

    Raises:
        NotPermitted: the pack denies it on the type or on a parent, or has an action on neither.
        InvalidInput: the pack only has actions on parents, and none of these is named.
    """
    if context.call.is_platform:
        return
    questions, whole = type_.registered_with, ref(type_.name, ANY)
    asked = {parent: questions.get(split_ref(parent)[0], "") for parent in sorted({*parents})}
    on_type = questions.get(type_.name, "")
    if on_type and not (asked and all(asked.values())):
        await ask_on(context, on_type, whole)
    elif questions and not on_type and not any(asked.values()):
        types = " or ".join(f"`{name}`" for name in questions)
        message = f"expected the {types} that a `{type_.name}` is registered in"
        raise InvalidInput(Violation("resource.parents", message))
    elif not questions:
        await ask_on(context, "", whole)
    for parent, action in asked.items():
        if action or not on_type:
            await ask_on(context, action, parent)


async def require_moving(context: CommandContext, type_: ResourceType, reference: str, added: Collection[str]) -> None:
    """Require that the actor may change a resource's parents: by an action on it, and one on each added parent.

    Without the second, an actor that may register nothing in a template could show a document to its managers by
    moving it there.

    Raises:
        NotPermitted: the pack denies it.
    """
    await ask_on(context, type_.moved_with, reference)
    await ask_parents(context, type_.moved_into, added)


async def ask_parents(context: CommandContext, questions: Mapping[str, str], parents: Collection[str]) -> None:
    """Require that the actor may do to each parent the action that `questions` maps its type to, if any.

    Raises:
        NotPermitted: the pack denies it on one of them.
    """
    for parent in sorted(parents):
        if action := questions.get(split_ref(parent)[0]):
            await ask_on(context, action, parent)
