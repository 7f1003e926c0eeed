"""Planning, applying and exporting facts on a real store."""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import pytest

from sidegate.errors import FactsError, InvalidInput, RevisionConflict
from sidegate.facts.apply import FactsDocuments, TenantChanges
from sidegate.model.change import Change, EntryKind
from sidegate.model.facts import TenantFacts
from sidegate_adapters.sql import SqlFactsStore, open_store
from support.facts.pack import facts_schema

PACKS = {"": facts_schema(), "paper": facts_schema(), "plain": facts_schema("plain", custom_roles=False)}
ACME = """\
tenants:
  acme:
    members:
      rep: {roles: [chief]}
      uma: {quota: 3}
    groups:
      sales: {members: [uma]}
    resources:
      document:d1: {owner: uma, properties: {status: draft}}
"""
UMBRA = ACME.replace("acme", "umbra").replace("tenants:\n", "")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlFactsStore]:
    opened = await open_store(f"sqlite:///{tmp_path}/facts.db")
    yield opened
    await opened.close()


@pytest.fixture
def keeper(store: SqlFactsStore) -> FactsDocuments:
    return FactsDocuments(store, PACKS.get, pack_names=PACKS.keys)


class Overtaken:
    """A store on which another writer comes first, a given number of times."""

    def __init__(self, store: SqlFactsStore, times: int) -> None:
        self._store = store
        self._times = times

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    async def write(
        self, changes: Mapping[str, Sequence[Change]], *, expected: Mapping[str, int], actor: str, caller: str
    ) -> Mapping[str, int]:
        if self._times:
            self._times -= 1
            text = ACME.replace("quota: 3", f"quota: {100 + self._times}")
            await FactsDocuments(self._store, PACKS.get).apply(text, "other.yaml", actor="other")
        return await self._store.write(changes, expected=expected, actor=actor, caller=caller)


def names(applied: Sequence[TenantChanges]) -> list[tuple[str, int, list[str]]]:
    return [
        (one.tenant, one.revision.number, [":".join((change.entity, *change.key)) for change in one.changes])
        for one in applied
    ]


async def test_a_plan_returns_the_changes_that_apply_makes(store: SqlFactsStore, keeper: FactsDocuments) -> None:
    """Planning writes nothing; applying makes the same changes, and a revision."""
    planned = await keeper.plan(ACME, "facts.yaml")
    there = await store.tenants()
    applied = await keeper.apply(ACME, "facts.yaml", actor="ops")

    assert there == []
    assert names(planned) == [
        (
            "acme",
            0,
            [
                "tenant",
                "member:rep",
                "member:uma",
                "group:sales",
                "group_member:sales:member:uma",
                "resource:document:d1",
                "grant:chief:tenant:acme:member:rep",
                "grant:owner:document:d1:member:uma",
            ],
        )
    ]
    assert [one.changes for one in applied] == [one.changes for one in planned]
    assert [one.revision.number for one in applied] == [1]


async def test_applying_again_changes_nothing(store: SqlFactsStore, keeper: FactsDocuments) -> None:
    """The same document a second time makes no change, no revision and no entry in the feed."""
    await keeper.apply(ACME, "facts.yaml", actor="ops")
    head = await store.head()

    assert names(await keeper.apply(ACME, "facts.yaml", actor="ops")) == [("acme", 1, [])]
    assert await store.head() == head


async def test_an_export_applied_changes_nothing(keeper: FactsDocuments) -> None:
    """The export equals the stored facts: applying it makes no change, exporting again gives the same text."""
    await keeper.apply(ACME + UMBRA, "facts.yaml", actor="ops")
    text = await keeper.export()

    assert text == ACME + UMBRA
    assert names(await keeper.apply(text, "export.yaml", actor="ops")) == [("acme", 1, []), ("umbra", 1, [])]


async def test_a_tenant_then_holds_exactly_what_the_document_says(store: SqlFactsStore, keeper: FactsDocuments) -> None:
    """Entries no longer in the document are removed; tenants that it doesn't name stay as they are."""
    await keeper.apply(ACME + UMBRA, "facts.yaml", actor="ops")
    umbra = await store.load("umbra")
    text = "tenants: {acme: {pack: paper, members: {rep: {roles: [chief], mfa: true}}}}"

    assert names(await keeper.apply(text, "facts.yaml", actor="ops")) == [
        (
            "acme",
            2,
            [
                "tenant",
                "member:rep",
                "grant:owner:document:d1:member:uma",
                "resource:document:d1",
                "group_member:sales:member:uma",
                "group:sales",
                "member:uma",
            ],
        )
    ]
    assert await keeper.export(["acme"]) == (
        "tenants:\n  acme:\n    pack: paper\n    members:\n      rep: {roles: [chief], mfa: true}\n"
    )
    assert await store.load("umbra") == umbra


async def test_one_fault_refuses_the_whole_document(store: SqlFactsStore, keeper: FactsDocuments) -> None:
    """All faults of all tenants are reported together, with their lines, and no tenant is written."""
    text = ACME + UMBRA.replace("chief", "chef").replace("  umbra:\n", "  umbra:\n    pack: papper\n")
    text += "  third: {members: {uma: {roles: [x]}}}\n"
    with pytest.raises(FactsError) as refusal:
        await keeper.apply(text, "facts.yaml", actor="ops")

    assert [str(fault) for fault in refusal.value.faults] == [
        "facts.yaml:11: tenants.umbra.pack: unknown pack `papper`: did you mean `paper`?",
        (
            "facts.yaml:19: tenants.third.members.uma.roles.0: unknown role `x` of pack `paper`: "
            "expected one of `admin`, `chief`, `deputy`, `owner`, `steward`, `template_user`"
        ),
    ]
    assert await store.tenants() == []


async def test_a_tenant_without_pack_needs_a_default(store: SqlFactsStore) -> None:
    """Where the server has no default pack, a tenant must name one."""
    keeper = FactsDocuments(store, {"paper": facts_schema()}.get, pack_names=lambda: ["paper"])
    with pytest.raises(FactsError) as refusal:
        await keeper.plan(ACME, "facts.yaml")

    assert (
        str(refusal.value) == "facts.yaml:2: tenants.acme: no pack decides for `acme`: expected `paper` as its `pack`"
    )


async def test_each_tenant_is_checked_by_its_own_pack(keeper: FactsDocuments) -> None:
    """A custom role is a fault for the tenant on a pack without custom roles, and for no other."""
    role = "    roles: {Reviewer: {permissions: {document: [view]}}}\n"
    with pytest.raises(FactsError) as refusal:
        await keeper.plan(f"tenants:\n  acme:\n{role}  umbra:\n    pack: plain\n{role}", "facts.yaml")

    assert [(fault.line, fault.key) for fault in refusal.value.faults] == [(6, "tenants.umbra.roles.Reviewer")]


async def test_the_last_chief_cannot_be_applied_away(keeper: FactsDocuments) -> None:
    """A document that leaves a tenant without the one it must have is refused; one that transfers the role is not."""
    await keeper.apply(ACME, "facts.yaml", actor="ops")
    with pytest.raises(FactsError, match="nobody would hold role `chief` of `member:rep`"):
        await keeper.apply(ACME.replace("{roles: [chief]}", "{}"), "facts.yaml", actor="ops")
    handed = ACME.replace("{roles: [chief]}", "{}").replace("{quota: 3}", "{quota: 3, roles: [chief]}")

    assert names(await keeper.apply(handed, "facts.yaml", actor="ops")) == [
        ("acme", 2, ["grant:chief:tenant:acme:member:uma", "grant:chief:tenant:acme:member:rep"])
    ]


async def test_a_new_tenant_without_a_chief_is_warned_about(keeper: FactsDocuments) -> None:
    """Plan and apply warn about what is still missing, and apply still writes."""
    text = "tenants: {acme: {members: {rep: }}}"
    warning = "nobody holds role `chief` on the tenant yet, which exactly one member should hold"

    assert [plan.warnings for plan in await keeper.plan(text, "facts.yaml")] == [(warning,)]
    assert [one.warnings for one in await keeper.apply(text, "facts.yaml", actor="ops")] == [(warning,)]


async def test_apply_plans_again_after_a_concurrent_write(store: SqlFactsStore, keeper: FactsDocuments) -> None:
    """After a concurrent write the changes are computed again, so that the document applies in the end."""
    await keeper.apply(ACME, "facts.yaml", actor="ops")
    overtaken = FactsDocuments(Overtaken(store, times=4), PACKS.get)
    (applied,) = await overtaken.apply(ACME.replace("quota: 3", "quota: 9"), "facts.yaml", actor="ops")

    assert applied.revision.number == 6
    assert [(change.before or {}).get("quota") for change in applied.changes] == [100]
    assert (await store.load("acme") or (TenantFacts("acme"), 0))[0].members["uma"].quota == 9


async def test_apply_gives_up_after_repeated_conflicts(store: SqlFactsStore, keeper: FactsDocuments) -> None:
    """After several attempts the conflict is raised, and nothing of the document was written."""
    await keeper.apply(ACME, "facts.yaml", actor="ops")
    overtaken = FactsDocuments(Overtaken(store, times=100), PACKS.get)
    with pytest.raises(RevisionConflict):
        await overtaken.apply(ACME.replace("quota: 3", "quota: 9"), "facts.yaml", actor="ops")

    assert (await store.load("acme") or (TenantFacts("acme"), 0))[0].members["uma"].quota == 195


async def test_the_history_names_the_actor(store: SqlFactsStore, keeper: FactsDocuments) -> None:
    """Each change is recorded with its actor."""
    await keeper.apply(ACME, "facts.yaml", actor="ops")
    recorded = await store.changes_after(0, limit=100)

    assert {change.actor for change in recorded} == {"ops"}
    assert recorded[0].change.entity is EntryKind.TENANT


async def test_exporting_unknown_tenants_names_each(keeper: FactsDocuments) -> None:
    """Unknown tenants are refused together, each with a near name; an empty store exports an empty document."""
    empty = await keeper.export()
    await keeper.apply(ACME, "facts.yaml", actor="ops")
    with pytest.raises(InvalidInput) as refusal:
        await keeper.export(["acm", "acme", "zzz"])

    assert empty == "tenants: {}\n"
    assert [(violation.field, violation.message) for violation in refusal.value.violations] == [
        ("tenants[0]", "unknown tenant `acm`: did you mean `acme`?"),
        ("tenants[2]", "unknown tenant `zzz`: none has this name"),
    ]


async def test_a_document_that_resumes_a_tenant_warns_of_it(keeper: FactsDocuments) -> None:
    """A plan that leaves the suspension out says that it resumes the tenant; one with it does not."""
    suspended = ACME.replace("  acme:\n", "  acme:\n    suspended: true\n")
    await keeper.apply(ACME, "facts.yaml", actor="platform")
    (plan,) = await keeper.plan(suspended, "facts.yaml")
    assert ([change.entity for change in plan.changes], plan.warnings) == ([EntryKind.TENANT], ())
    await keeper.apply(suspended, "facts.yaml", actor="platform")
    (plan,) = await keeper.plan(suspended, "facts.yaml")
    assert (plan.changes, plan.warnings) == ((), ())

    (plan,) = await keeper.plan(ACME, "facts.yaml")
    assert [change.entity for change in plan.changes] == [EntryKind.TENANT]
    assert [warning.split(":")[0] for warning in plan.warnings] == ["the tenant is suspended, and this resumes it"]


@pytest.mark.parametrize(
    ("members", "named"),
    [
        ("ANN@x.example: {}\n      ann@x.example: {}", [["ANN@x.example", "ann@x.example"]]),
        ("ANN@x.example: {}\n      ann: {email: Ann@x.example}", [["ANN@x.example", "ann"]]),
        ("ann: {email: a@bücher.example}\n      a@xn--bcher-kva.example: {}", [["ann", "a@xn--bcher-kva.example"]]),
        ("ann@x.example: {email: ann@x.example}\n      bob@x.example: {}", []),
        ("a@straße.example: {}\n      a@strasse.example: {}", []),
    ],
)
async def test_members_who_share_an_address_are_warned_of(
    members: str, named: list[list[str]], keeper: FactsDocuments
) -> None:
    """IDs and e-mails that an invitation would write alike are one address, also where both are stored already."""
    document = ACME.replace("      uma: {quota: 3}\n", f"      uma: {{quota: 3}}\n      {members}\n")
    for found in (await keeper.apply(document, "acme.yaml", actor="ann"), await keeper.plan(document, "acme.yaml")):
        warnings = [warning for warning in found[0].warnings if "e-mail address" in warning]
        assert [re.findall("`([^`]+)`", warning) for warning in warnings] == named


async def test_of_many_shared_addresses_twenty_are_named(keeper: FactsDocuments) -> None:
    """The rest is counted, so that a warning stays readable."""
    pairs = "".join(f"      A{number}@x.example: {{}}\n      a{number}@x.example: {{}}\n" for number in range(22))
    (plan,) = await keeper.plan(ACME.replace("      uma:", f"{pairs}      uma:"), "acme.yaml")
    assert len(plan.warnings) == 21
    assert plan.warnings[-1] == "2 more e-mail addresses belong to several members each"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("acme:", '"ac\\u202Eme":'),
        ("uma: {quota: 3}", 'uma: {quota: 3}\n      "u\\u202Ema": {}'),
        ("sales: {members: [uma]}", '"sa\\u202Eles": {members: [uma]}'),
        ("document:d1: {", '"document:d\\u202E1": {'),
    ],
)
async def test_an_added_identifier_with_an_invisible_character_is_refused(
    old: str, new: str, store: SqlFactsStore, keeper: FactsDocuments
) -> None:
    """The code point is named, the identifier is escaped, and nothing is written."""
    with pytest.raises(FactsError) as caught:
        await keeper.apply(ACME.replace(old, new), "acme.yaml", actor="ann")
    message = caught.value.faults[0].message
    assert "expected no U+202E RIGHT-TO-LEFT OVERRIDE" in message
    assert "\\u202e" in message
    assert "\u202e" not in message
    assert not await store.tenants()


async def test_a_stored_identifier_with_an_invisible_character_can_be_deleted(
    store: SqlFactsStore, keeper: FactsDocuments
) -> None:
    """It blocks no other change of a document, and a document without it deletes it."""
    await keeper.apply(ACME, "acme.yaml", actor="ann")
    status = {"status": "active", "name": "", "email": "", "mfa": False, "quota": None}
    added = Change(EntryKind.MEMBER, ("u\u202ema",), None, status)
    await store.write({"acme": (added,)}, expected={"acme": 1}, actor="older")
    stored = ACME.replace("uma: {quota: 3}", 'uma: {quota: 4}\n      "u\\u202Ema": {}')
    (changed,) = await keeper.apply(stored, "acme.yaml", actor="ann")
    assert [change.key for change in changed.changes] == [("uma",)]
    (changed,) = await keeper.apply(stored.replace('\n      "u\\u202Ema": {}', ""), "acme.yaml", actor="ann")
    assert [(change.key, change.after) for change in changed.changes] == [(("u\u202ema",), None)]
