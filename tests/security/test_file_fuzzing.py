"""Any bytes as any file that Sidegate reads: a value, or an error of the file's own kind that names the file."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidegate.bootstrap.callers import load_caller_file
from sidegate.config.load import load_settings
from sidegate.engine import ENGINES
from sidegate.errors import (
    CallersError,
    FactsError,
    InvalidInput,
    PackError,
    PolicyTestError,
    SettingsError,
    SidegateError,
)
from sidegate.facts.read import read_facts
from sidegate.membership.invitation_files import from_csv, from_spreadsheet
from sidegate.policy.pack.compile import compile_pack
from sidegate.policy.pack.load import load_pack
from sidegate.policy.testing.file import read_test_file
from support.fuzzing.examples import fuzzed
from support.fuzzing.messages import HOSTILE, mutated
from support.packs.packs import MODEL, ROWS, SCHEMA, write_pack
from support.workbooks import as_openpyxl_writes

_MEANINGS = """{ } [ ] : , " ' | > & * ! % @ ` # --- ... ~ null true 0x1F 1e400 .inf .nan -0 <<: &a *a !!python/object
2026-01-01 ? - \\u0000 \\ud800 tenants members roles callers owner [[[[[[[[[[[[ {{{{{{{{{{{{"""
_ENDS = ("\n", "\n  ", "\t", "\r", "\u2028", "\x85")
_DEEP = ("- " * 150, "[" * 2_000, '{"a":' * 2_000)
SNIPPETS = (*HOSTILE, *_MEANINGS.split(), *_ENDS, *_DEEP)
"""What has a meaning in one of the formats, or had one in a parser before."""
FACTS = """\
tenants:
  acme:
    pack: standard
    settings: {require_mfa: false}
    members: {ann: {roles: [owner], quota: 5}, uma: {email: uma@acme.example, status: pending}}
    groups: {sales: {members: [uma]}}
    roles: {clerk: {permissions: {document: [view]}}}
    resources: {"document:d1": {owner: uma, properties: {status: draft, sizes: [a, b]}}}
    grants: [{role: viewer, on: "document:d1", to: "group:sales"}]
"""
_MEMBERS = {"ann": {"roles": ["owner"], "quota": 5}, "u\U0001f600": {"name": "\U0001f600"}}
FACTS_AS_JSON = json.dumps({"tenants": {"acme": {"members": _MEMBERS}}})
POLICY_TEST = """\
pack: small
facts:
  tenants:
    acme: {members: {uma: {}}}
checks:
  - {rule: SM-02, tenant: acme, subject: uma, action: view, resource: "note:a:b", expect: allow}
  - {rule: SM-03, tenant: acme, subject: uma, action: edit, resource: "note:*", expect: deny, context: {ip: 10.0.0.1}}
"""
CALLERS = f"""\
callers:
  orders:
    identities:
      - spiffe: spiffe://example.org/ns/shop/sa/orders
      - dns: Orders.shop.svc
      - key: {{name: "2026-a", sha256: "{"a" * 64}"}}
      - jwt: {{issuer: main, claims: {{azp: web}}}}
      - unix_socket: true
    rights: {{check: [acme, globex], membership.write: "*"}}
    actors: [platform, proven]
issuers:
  main: {{issuer: "https://id.example.org", audience: sidegate, algorithms: [ES256], member_claim: sub}}
"""
SETTINGS = """\
database: sqlite:///facts.db
listen: [127.0.0.1:8282, unix:/run/sidegate.sock]
max_staleness: 5
cache: cold
redis: redis://127.0.0.1:6379
token_key: a key of a server in the tests
log_format: json
drain: 2.5
"""
CSV = "email,phone,account,name,roles,groups\numa@acme.example,+82 10,uma,Uma,member;admin,sales\n"


@dataclass(frozen=True)
class Format:
    """A kind of file: what is right, who reads it, and what a wrong one is."""

    right: bytes
    read: Callable[[Path, bytes], object]
    error: type[SidegateError]


def _file(name: str, read: Callable[[Path], object]) -> Callable[[Path, bytes], object]:
    def written(directory: Path, raw: bytes) -> object:
        path = directory / name
        path.write_bytes(raw)
        return read(path)

    return written


def _pack(name: str) -> Callable[[Path, bytes], object]:
    def written(directory: Path, raw: bytes) -> object:
        pack = write_pack(directory)
        (pack / name).write_bytes(raw)
        return compile_pack(load_pack(pack), ENGINES["indexed"])

    return written


def _text(read: Callable[[str], Any]) -> Callable[[Path, bytes], object]:
    """Return a reader of what arrives as a text of a message, and is UTF-8 therefore."""
    return lambda _directory, raw: read(raw.decode("utf-8", errors="replace"))


FORMATS = {
    "facts": Format(FACTS.encode(), _text(lambda text: read_facts(text, "facts.yaml")), FactsError),
    "facts as JSON": Format(FACTS_AS_JSON.encode(), _text(lambda text: read_facts(text, "facts.json")), FactsError),
    "pack.yaml": Format(SCHEMA.encode(), _pack("pack.yaml"), PackError),
    "model.conf": Format(MODEL.encode(), _pack("model.conf"), PackError),
    "policy.csv": Format(ROWS.encode(), _pack("policy.csv"), PackError),
    "policy test": Format(POLICY_TEST.encode(), _file("test.yaml", read_test_file), PolicyTestError),
    "callers": Format(CALLERS.encode(), _file("callers.yaml", load_caller_file), CallersError),
    "settings": Format(
        SETTINGS.encode(), _file("sidegate.yaml", lambda path: load_settings({"config": path})), SettingsError
    ),
    "CSV of invitations": Format(CSV.encode(), _text(lambda text: [*from_csv(text)]), InvalidInput),
    "spreadsheet of invitations": Format(
        as_openpyxl_writes([line.split(",") for line in CSV.splitlines()]),
        lambda _directory, raw: [*from_spreadsheet(raw)],
        InvalidInput,
    ),
}


@pytest.fixture(autouse=True, scope="module")
def _no_settings() -> Iterator[None]:
    """Run without settings in the environment, where `make fuzz` has one of its own."""
    with pytest.MonkeyPatch.context() as patch:
        for variable in [name for name in os.environ if name.startswith("SIDEGATE_")]:
            patch.delenv(variable)
        yield


@pytest.mark.parametrize("name", FORMATS)
def test_a_right_file_is_read(name, tmp_path):
    """What is changed below is right at first."""
    assert FORMATS[name].read(tmp_path, FORMATS[name].right) is not None


@pytest.mark.parametrize("name", FORMATS)
@fuzzed(40)
@given(st.integers(0, 2**32 - 1))
def test_any_file_is_read_or_refused(name, seed):
    """Changed bytes, texts with a meaning elsewhere, or nothing but noise: a value or the error of this format."""
    given_format, random = FORMATS[name], Random(seed)
    raw = _changed(given_format.right, random)
    with tempfile.TemporaryDirectory() as directory:
        try:
            given_format.read(Path(directory), raw)
        except given_format.error as refused:
            text = str(refused)
        except Exception as error:
            raise AssertionError((name, raw)) from error
        else:
            return
    assert 0 < len(text) < 100_000


def _changed(right: bytes, random: Random) -> bytes:
    match random.randrange(10):
        case 0:
            return random.randbytes(random.randint(0, 200))
        case 1:
            return "".join(random.choices(SNIPPETS, k=random.randint(0, 12))).encode("utf-8", "surrogatepass")
        case 2 | 3 | 4:
            return mutated(right, random)
    changed = bytearray(right)
    for _ in range(random.randint(1, 3)):
        at = random.randint(0, len(changed))
        changed[at : at + random.choice((0, 0, 1, 5))] = random.choice(SNIPPETS).encode("utf-8", "surrogatepass")
    return bytes(changed)
