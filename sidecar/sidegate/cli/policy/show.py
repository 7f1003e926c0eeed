"""`sidegate policy show`: who may do what by a pack, as tables on the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from sidegate.cli.shell.commands import Command
from sidegate.cli.shell.completion import complete_pack_or_directory
from sidegate.cli.shell.console import console, print_json, print_table, styled
from sidegate.cli.shell.local_packs import bundled_names
from sidegate.documents.suggestions import nearest
from sidegate.errors import Fault, PackError
from sidegate.model.identifiers import visible
from sidegate.policy.describe.matrix import Holder, who_may
from sidegate.policy.pack.load import SCHEMA, load_pack
from sidegate.policy.pack.policy_file import ANYONE
from sidegate.policy.pack.registry import bundled_packs
from sidegate.policy.pack.schema import Pack, ResourceType

EXAMPLES = (
    ("A pack that comes with Sidegate", "sidegate policy show standard"),
    ("A pack of your own", "sidegate policy show policies/acme"),
    ("One type of resource only", "sidegate policy show standard --type document"),
)
ALLOW, DENY = "allow", "deny"


@dataclass(frozen=True, slots=True)
class Entry:
    """What one row says about one action; `condition` is "" where it always says so."""

    type: str
    action: str
    effect: str
    who: str
    rule: str
    condition: str


@click.command(cls=Command, examples=EXAMPLES)
@click.argument("pack", shell_complete=complete_pack_or_directory)
@click.option("--type", "only", metavar="TYPE", help="Show this type of resource only.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(pack: str, *, only: str | None, as_json: bool) -> None:
    """Show who may do what by PACK.

    PACK is the name of a pack that comes with Sidegate, or a directory. An entry reads `role on scope` and names the
    rule; any denial that applies beats every allow, and what no entry allows is denied.
    """
    loaded = load_pack(_pack_directory(pack))
    types = _types(loaded, only)
    if as_json:
        print_json([asdict(entry) for type_ in types for entry in _entries(loaded, type_)])
        return
    target = console()
    for type_ in types:
        _print(target, type_, [*_entries(loaded, type_)])


def _pack_directory(pack: str) -> Path:
    for path in (Path(pack), bundled_packs() / pack):
        if (path / SCHEMA).is_file():
            return path
    hint = nearest(pack, bundled_names())
    raise PackError(Fault(pack, 0, "", f"neither a directory with a {SCHEMA} nor a pack's name: {hint}"))


def _types(pack: Pack, only: str | None) -> Sequence[ResourceType]:
    resources = pack.schema.resources
    if only is None:
        return tuple(resources.values())
    if only not in resources:
        raise click.BadParameter(f"`{only}` is no type of this pack: {nearest(only, resources)}", param_hint="--type")
    return (resources[only],)


def _entries(pack: Pack, type_: ResourceType) -> Iterator[Entry]:
    """Yield what the rows say about a type, by action; a tenant's own roles come last."""
    holders = who_may(pack, type_)
    custom = pack.schema.custom_roles
    for action in type_.actions:
        for holder, cells in holders.items():
            for verdict in cells.get(action, ()):
                effect = ALLOW if verdict.allow else DENY
                yield Entry(type_.name, action, effect, _who(holder), verdict.rule, verdict.condition)
        if custom and type_.name in custom.types:
            yield Entry(type_.name, action, ALLOW, "a role of the tenant's own", custom.rule, "")


def _who(holder: Holder) -> str:
    return "every member" if holder.role == ANYONE else f"{holder.role} on {holder.scope}"


def _print(target: Console, type_: ResourceType, entries: Sequence[Entry]) -> None:
    target.print(Text(type_.name, "bold"))
    if target.is_terminal:
        _print_by_action(target, type_, entries)
    else:
        rows = [(entry.action, entry.effect, entry.rule, entry.who, entry.condition) for entry in entries]
        print_table(target, ("action", "effect", "rule", "who", "condition"), rows)
    target.print()


def _print_by_action(target: Console, type_: ResourceType, entries: Sequence[Entry]) -> None:
    conditions = {text: number for number, text in enumerate(_distinct(entries), start=1)}
    rows = [
        [Text(action), *(_cell(entries, (action, effect), conditions) for effect in (ALLOW, DENY))]
        for action in type_.actions
    ]
    print_table(target, ("action", "allowed", "denied"), rows)
    for text, number in conditions.items():
        target.print(styled(f"({number}) if {text}", "dim"))


def _distinct(entries: Iterable[Entry]) -> Iterable[str]:
    return dict.fromkeys(entry.condition for entry in entries if entry.condition)


def _cell(entries: Iterable[Entry], key: tuple[str, str], conditions: Mapping[str, int]) -> Text:
    lines = [
        visible(f"{entry.rule} {entry.who}") + (f" ({conditions[entry.condition]})" if entry.condition else "")
        for entry in entries
        if (entry.action, entry.effect) == key
    ]
    return Text("\n".join(lines), "green" if key[1] == ALLOW else "red")
