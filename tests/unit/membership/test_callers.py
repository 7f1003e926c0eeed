"""The caller of a write, beside the actor in whose name it is written."""

from sidegate.membership.command.call import Call
from sidegate.membership.command.context_factory import ContextFactory
from sidegate.membership.command.run import CommandRunner
from sidegate.model.change import ChangeQuery, EntryKind
from sidegate.model.entry import member_payload
from sidegate.model.facts import Member
from support.decisions.deciding import deciding

DOCUMENT = "tenants: {acme: {pack: standard, members: {ann: {roles: [owner]}}}}"


async def test_the_history_names_the_caller_of_commands_and_documents(tmp_path):
    """A document and a command are recorded with their caller; without one the caller is empty."""
    async with deciding(tmp_path / "facts.db") as core:
        await core.facts.apply(DOCUMENT, "facts.yaml", actor="platform", caller="importer")
        commands = CommandRunner(ContextFactory(core.store, core.decider, core.packs.schema_of), core.follower)
        for call in (Call("member:ann", caller="orders-service"), Call("member:ann")):
            name = call.caller or "nobody"

            async def plan(context, name=name):
                await context.draft.entry(EntryKind.MEMBER, "ann")
                context.draft.put(EntryKind.MEMBER, "ann", payload=member_payload(Member("ann", name=name)))

            await commands.run("acme", call, plan=plan)

        found = await core.history.history("acme", ChangeQuery(oldest_first=True), after=0, limit=9)
        assert {recorded.revision: (recorded.actor, recorded.caller) for recorded in found} == {
            1: ("platform", "importer"),
            2: ("member:ann", "orders-service"),
            3: ("member:ann", ""),
        }
