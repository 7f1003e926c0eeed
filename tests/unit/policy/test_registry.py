"""The registry of packs: what it loads, compiles and finds by name."""

from pathlib import Path

import pytest

from sidegate.engine import ENGINES, Entity
from sidegate.errors import PackError
from sidegate.model.decision import Obligation
from sidegate.policy.pack.registry import PackRegistry, bundled_packs
from sidegate.policy.pack.scope_function import scope
from support.packs.packs import ROWS, SCHEMA, write_pack

ENGINE = ENGINES["reference"]


def entity(type_: str, id_: str, ancestors: dict[str, str] | None = None) -> Entity:
    reference = f"{type_}:{id_}"
    properties = {"ref": reference, "type": type_, "id": id_}
    return Entity(properties, {type_: reference, **(ancestors or {})})


def test_packs_are_found_by_name(tmp_path: Path) -> None:
    """Each pack has its name, "" is the default one, and an unknown name is None."""
    write_pack(tmp_path / "a")
    write_pack(tmp_path / "b", schema=SCHEMA.replace("name: small", "name: other"))
    (tmp_path / ".git").mkdir()
    registry = PackRegistry(ENGINE, tmp_path, "small")

    assert registry.names() == ("other", "small")
    assert registry.get("") is registry.get("small")
    other = registry.get("other")
    assert other is not None
    assert other.pack.schema.name == "other"
    assert registry.get("nothing") is None


def test_a_directory_that_is_a_pack_is_the_only_one(tmp_path: Path) -> None:
    """The directory of one pack can be served alone."""
    assert PackRegistry(ENGINE, write_pack(tmp_path), "small").names() == ("small",)


def test_a_compiled_pack_knows_what_a_check_looks_up(tmp_path: Path) -> None:
    """Actions, reasons of denials and rules of membership can be looked up and not changed."""
    compiled = PackRegistry(ENGINE, write_pack(tmp_path), "small").get("")

    assert compiled is not None
    assert compiled.actions["member"] == {"invite", "list"}
    assert compiled.denials["SM-03"] == ("quota_exhausted", (Obligation("buy_quota"),))
    assert compiled.denials["SM-01"] == ("denied_by_rule", ())
    assert compiled.membership_rules == {"member_pending": "SM-04"}
    with pytest.raises(TypeError):
        compiled.actions["member"] = frozenset()  # type: ignore[index]


def test_the_program_decides_by_scoped_roles_and_groups(tmp_path: Path) -> None:
    """A role on a folder holds for the notes in it, also through a group, whose links hold in every scope."""
    compiled = PackRegistry(ENGINE, write_pack(tmp_path), "small").get("")
    assert compiled is not None
    links = [("g", "group:sales", "owner", "folder:f"), ("g", "member:uma", "group:sales", "*")]
    program = compiled.program.with_rows(added=links)
    tenant = Entity({"ref": "tenant:t", "type": "tenant", "id": "t", "require_mfa": False, "label": ""})

    def allowed(note: Entity) -> bool:
        subject = Entity({"ref": "member:uma", "quota": 1})
        return program.evaluate((subject, tenant, note, "view", Entity({}))).allowed

    assert allowed(entity("note", "n", {"folder": "folder:f"}))
    assert not allowed(entity("note", "n", {"folder": "folder:g"}))
    assert not allowed(entity("note", "n"))


def test_scope_is_tenant_self_or_ancestor() -> None:
    """The scope function names the tenant, the resource, its ancestor of a type, or nothing."""
    tenant, note = entity("tenant", "t"), entity("note", "n", {"folder": "folder:f"})

    assert scope(note, tenant, "tenant") == "tenant:t"
    assert scope(note, tenant, "note") == "note:n"
    assert scope(note, tenant, "folder") == "folder:f"
    assert scope(note, tenant, "desk") == ""


def test_the_faults_of_all_packs_are_reported_together(tmp_path: Path) -> None:
    """The faults of two wrong packs are in one error; a directory that is no pack is wrong, too."""
    write_pack(tmp_path / "a", rows=ROWS.replace("admin", "boss"))
    write_pack(tmp_path / "b")
    (tmp_path / "c").mkdir()
    with pytest.raises(PackError) as caught:
        PackRegistry(ENGINE, tmp_path, "small")

    assert {Path(fault.file).parent.name for fault in caught.value.faults} == {"a", "c"}


def test_a_name_belongs_to_one_pack(tmp_path: Path) -> None:
    """Two packs of one name are refused, since a tenant names its pack by name."""
    write_pack(tmp_path / "a")
    write_pack(tmp_path / "b")

    with pytest.raises(PackError, match="`small` is already the name of the pack in"):
        PackRegistry(ENGINE, tmp_path, "small")


@pytest.mark.parametrize("make", [Path.mkdir, Path.touch, lambda _: None])
def test_a_directory_without_packs_is_refused(tmp_path: Path, make) -> None:
    """An empty directory, a file and a path that is not there stop the start."""
    directory = tmp_path / "packs"
    make(directory)

    with pytest.raises(PackError, match=str(directory)):
        PackRegistry(ENGINE, directory, "small")


def test_a_default_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """The default pack must be one of those loaded."""
    write_pack(tmp_path / "a")

    with pytest.raises(PackError, match="no pack is named `smal`, the default: did you mean `small`"):
        PackRegistry(ENGINE, tmp_path, "smal")


def test_what_the_engine_refuses_has_its_line(tmp_path: Path) -> None:
    """A row that only the compiler refuses is named by its line of policy.csv."""
    long = " && ".join(["True"] * 700)
    write_pack(tmp_path, rows=f"# first\n{ROWS}p, admin, tenant, note, view, {long}, allow, SM-01\n")

    with pytest.raises(PackError, match=r"policy\.csv:6: "):
        PackRegistry(ENGINE, tmp_path, "small")


def test_the_bundled_packs_are_there() -> None:
    """The bundled packs load and compile."""
    assert set(PackRegistry(ENGINE, bundled_packs(), "standard").names()) >= {"standard"}
