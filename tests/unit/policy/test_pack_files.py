"""The files of a pack are regular files inside it: no read waits, and none leaves the pack."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from sidegate.engine import ENGINES
from sidegate.errors import PackError, PolicyTestError
from sidegate.policy.pack.files import MAX_FILE_SIZE, read_inside
from sidegate.policy.pack.load import load_pack
from sidegate.policy.pack.registry import PackRegistry
from sidegate.policy.testing.file import read_test_file
from support.packs.packs import write_pack
from support.servers.cli import invoke

SECRET = "root:x:0:0:a line of a system file"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "passwd"
    path.write_text(f"{SECRET}\n")
    return path


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    return write_pack(tmp_path / "policies" / "small")


def swap(name: str, make: Callable[[Path], object], pack: Path) -> None:
    """Put something else in the place of a file."""
    (pack / name).unlink()
    make(pack / name)


@pytest.mark.parametrize("name", ["pack.yaml", "model.conf", "policy.csv"])
@pytest.mark.parametrize(
    ("make", "why"),
    [
        (os.mkfifo, "not a regular file"),
        (Path.mkdir, "not a regular file"),
        (lambda path: path.symlink_to("/dev/zero"), "a symbolic link that leads out of its directory"),
        (lambda path: path.symlink_to(path.parent.parent.parent / "passwd"), "leads out of its directory"),
        (lambda path: path.symlink_to(path.name), "Too many levels of symbolic links"),
        (lambda path: path.write_bytes(b"#" * (MAX_FILE_SIZE + 1)), f"larger than {MAX_FILE_SIZE} bytes"),
    ],
    ids=["fifo", "directory", "device", "system file", "loop", "too large"],
)
def test_a_file_that_is_none_is_refused(
    name: str, make: Callable[[Path], object], why: str, pack: Path, secret: Path
) -> None:
    """The fault names the file, and no line of what it leads to; a FIFO without a writer keeps nobody waiting."""
    swap(name, make, pack)
    with pytest.raises(PackError) as caught:
        load_pack(pack)
    (fault,) = (fault for fault in caught.value.faults if fault.file == str(pack / name))
    assert why in fault.message
    assert SECRET not in str(caught.value)
    done = invoke("policy", "lint", str(pack))
    assert done.code == 2
    assert SECRET.rsplit(":", maxsplit=1)[-1] not in done.out + done.err
    assert secret.exists()


def test_a_device_inside_is_not_opened(tmp_path: Path) -> None:
    """A special file, here a socket, is refused by its kind before it is opened."""
    path = tmp_path / "policy.csv"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        with pytest.raises(OSError, match="not a regular file"):
            read_inside(tmp_path, path)


def test_links_of_a_config_map_are_followed(tmp_path: Path, pack: Path) -> None:
    """Kubernetes mounts a ConfigMap as links through `..data` to a directory that each update replaces."""
    mounted = tmp_path / "mounted" / "small"
    old, new = mounted / "..2026_01_01", mounted / "..2026_01_02"
    for version in (old, new):
        write_pack(version)
    (new / "policy.csv").write_text((new / "policy.csv").read_text() + "# reviewed\n")
    (mounted / "..data").symlink_to(old.name)
    for name in ("pack.yaml", "model.conf", "policy.csv"):
        (mounted / name).symlink_to(f"..data/{name}")
    before = load_pack(mounted)
    (mounted / "..tmp").symlink_to(new.name)
    (mounted / "..tmp").rename(mounted / "..data")
    assert before.rows == load_pack(mounted).rows == load_pack(pack).rows
    assert before.digest == load_pack(pack).digest != load_pack(mounted).digest


def test_a_volume_of_several_packs_is_loaded(tmp_path: Path) -> None:
    """Where the keys of a volume have paths, the directory of each pack is a link through `..data`."""
    mounted = tmp_path / "mounted"
    write_pack(mounted / "..2026_01_01" / "small")
    (mounted / "..data").symlink_to("..2026_01_01")
    (mounted / "small").symlink_to("..data/small")
    assert PackRegistry(ENGINES["indexed"], mounted, "small").names() == ("small",)


def test_a_pack_elsewhere_is_no_pack_of_the_directory(tmp_path: Path, pack: Path) -> None:
    """A link out of the directory of packs is a fault when the server starts, and in lint."""
    outside = write_pack(tmp_path / "elsewhere")
    (pack.parent / "other").symlink_to(outside)
    with pytest.raises(PackError) as caught:
        PackRegistry(ENGINES["indexed"], pack.parent, "small")
    expected = f"{pack.parent}/other: a symbolic link that leads out of {pack.parent}; copy the pack there"
    assert str(caught.value) == expected
    done = invoke("policy", "lint", str(pack.parent))
    assert done.code == 2
    assert f"error: {expected}" in done.out


def test_the_directory_itself_may_be_a_link(tmp_path: Path, pack: Path) -> None:
    """Who names a directory chooses it; what is inside does not choose."""
    (tmp_path / "link").symlink_to(pack.parent)
    assert PackRegistry(ENGINES["indexed"], tmp_path / "link", "small").names() == ("small",)


@pytest.mark.parametrize("link", ["tests/leak.yaml", "tests"])
def test_tests_of_a_pack_are_inside_it(link: str, tmp_path: Path, pack: Path) -> None:
    """Neither a test file nor its directory leads out."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "leak.yaml").write_text(f"{SECRET}: [\n")
    (pack / link).parent.mkdir(exist_ok=True)
    (pack / link).symlink_to(outside / "leak.yaml" if link.endswith(".yaml") else outside)
    with pytest.raises(PolicyTestError) as caught:
        read_test_file(pack / "tests/leak.yaml")
    assert "leads out of its directory" in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("path", ["../../../passwd", "link.yaml"])
def test_facts_of_a_test_are_inside_the_pack(path: str, pack: Path, secret: Path) -> None:
    """The facts that a test names are a file of its pack."""
    tests = pack / "tests"
    tests.mkdir()
    (tests / "link.yaml").symlink_to(secret)
    check = "{tenant: acme, subject: uma, action: view, resource: note:a, expect: allow}"
    (tests / "one.yaml").write_text(f"pack: small\nfacts: {path}\nchecks: [{check}]\n")
    with pytest.raises(PolicyTestError, match="is not inside") as caught:
        read_test_file(tests / "one.yaml")
    assert SECRET not in str(caught.value)


def test_a_fifo_among_the_tests_keeps_nobody_waiting(pack: Path) -> None:
    """It is refused when it is named; a search does not find it."""
    (pack / "tests").mkdir()
    os.mkfifo(pack / "tests" / "one.yaml")
    with pytest.raises(PolicyTestError, match="not a regular file"):
        read_test_file(pack / "tests" / "one.yaml")
