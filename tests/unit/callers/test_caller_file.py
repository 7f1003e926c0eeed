"""Caller files: what they say, and every fault with its line."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidegate.bootstrap.callers import load_caller_file
from sidegate.callers.directory import CallerDirectory
from sidegate.documents.json_schema import schema_text
from sidegate.errors import CallersError
from sidegate.model.callers.caller import ALL_TENANTS, ActorKind, Right, TenantSet
from sidegate.model.callers.token_issuer import TokenIssuer, is_secure_url
from sidegate_adapters.oidc.verifier import JwtVerifier
from support.servers.callers import es256, rs256, write_callers
from support.unhurried import unhurried

DIGEST = "a" * 64
RIGHT = f"""\
callers:
  orders-service:
    identities:
      - spiffe: spiffe://example.org/ns/shop/sa/orders
      - dns: Orders.shop.svc
      - key: {{name: "2026-a", sha256: "{DIGEST}"}}
      - jwt: {{issuer: main, subject: orders}}
      - unix_socket: true
    rights: {{check: [acme, globex], membership.write: "*"}}
    actors: [platform, proven]
issuers:
  main:
    issuer: https://id.example.org
    audience: sidegate
    algorithms: [ES256]
    member_claim: member
"""


def faults(directory: Path, text: str) -> list[str]:
    path = write_callers(directory, text)
    with pytest.raises(CallersError) as refused:
        load_caller_file(path)
    return [str(fault).removeprefix(f"{path}:") for fault in refused.value.faults]


def test_a_file_names_callers_with_identities_and_rights(tmp_path):
    """Every kind of identity, tenants by name and all, and whom a caller may act for."""
    loaded = load_caller_file(write_callers(tmp_path, RIGHT))
    ((caller, identities),) = loaded.callers
    assert caller.name == "orders-service"
    assert caller.rights == {
        Right.CHECK: TenantSet(frozenset({"acme", "globex"})),
        Right.MEMBERSHIP_WRITE: ALL_TENANTS,
    }
    assert caller.actors == {ActorKind.PLATFORM, ActorKind.PROVEN}
    assert [identity.kind for identity in identities] == ["spiffe", "dns", "key", "jwt", "unix_socket"]
    assert identities[1].value == "orders.shop.svc"
    assert loaded.issuers["main"] == TokenIssuer(
        "main", "https://id.example.org", "sidegate", ("ES256",), member_claim="member"
    )


def test_every_fault_is_reported_with_its_line(tmp_path):
    """What no schema can say, all of it together."""
    wrong = f"""\
callers:
  a:
    identities:
      - dns: a.svc
      - key: {{name: x, sha256: "{DIGEST}"}}
      - key: {{name: x, sha256: "{"b" * 64}"}}
    rights: {{check: "*"}}
    actors: [proven]
  b:
    identities:
      - dns: A.svc
      - jwt: {{issuer: mian, subject: b}}
      - jwt: {{issuer: main}}
    rights: {{check: "*"}}
issuers:
  main: {{issuer: "http://id.example.org", audience: sidegate, algorithms: [RS256]}}
  same: {{issuer: "http://id.example.org", audience: other, algorithms: [RS256], jwks: keys.json}}
"""
    found = faults(tmp_path, wrong)
    assert [line.split(":")[0] for line in found] == ["6", "8", "11", "12", "13", "16", "17", "17"]
    for line, text in zip(
        found,
        (
            "`x` names another key of `a` already",
            "no token proves a member",
            "this identity is one of `a` already",
            "unknown issuer `mian`: did you mean `main`?",
            "every token of the issuer would fit",
            "expected a URL with https, or http of this machine",
            "is the issuer of `main` already",
            "no such file",
        ),
        strict=True,
    ):
        assert text in line


@pytest.mark.parametrize(
    ("old", "new", "line", "expected"),
    [
        ("check: [acme, globex]", "chek: [acme]", 9, "did you mean `check`?"),
        ("check: [acme, globex]", "check: []", 9, "a list of one or more tenants"),
        ("check: [acme, globex]", "check: ['*']", 9, "written without a list"),
        ("check: [acme, globex]", "check: acme", 9, '`"*"` for all tenants'),
        ("[platform, proven]", "[platfrom]", 10, "one of `platform`, `members`, `proven`"),
        ("[ES256]", "[HS256]", 15, "is not right: expected one of `RS256`"),
        ("[ES256]", "[none]", 15, "is not right: expected one of `RS256`"),
        (f'"{DIGEST}"', '"secret"', 6, "64 hexadecimal digits"),
        ("spiffe://example.org/ns/shop/sa/orders", "spiffe://example.org", 4, "a SPIFFE ID"),
        ("Orders.shop.svc", "'*.shop.svc'", 5, "without wildcards"),
        ("- dns: Orders.shop.svc", "- {dns: a.svc, unix_socket: true}", 5, "one of `spiffe`"),
        ("unix_socket: true", "unix_socket: false", 8, "is not right"),
        ("orders-service:", '"bad name":', 2, "a name of 1 to 64 letters"),
    ],
)
def test_what_a_file_must_look_like(tmp_path, old, new, line, expected):
    """A wrong key, right, algorithm or identity is named with what is expected."""
    (fault,) = faults(tmp_path, RIGHT.replace(old, new))
    assert fault.startswith(f"{line}: ")
    assert expected in fault


@pytest.mark.parametrize("text", ["", "[]", "callers: {}", "callers: {a: {identities: [], rights: {}}}", "\t"])
def test_a_file_without_callers_is_refused(tmp_path, text):
    """Nobody could call; that is a mistake rather than an intention."""
    assert faults(tmp_path, text)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    """The path is named."""
    with pytest.raises(CallersError, match=r"nowhere\.yaml: can't read the callers: no such file"):
        load_caller_file(tmp_path / "nowhere.yaml")


def test_a_file_that_anybody_can_change_is_refused(tmp_path):
    """Nor is one read that is no file, such as a pipe that nobody writes to."""
    path = write_callers(tmp_path, RIGHT)
    path.chmod(0o646)
    with pytest.raises(CallersError, match="every user of this machine can change it: expected a mode such as 644"):
        load_caller_file(path)
    os.mkfifo(tmp_path / "pipe")
    for other in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(CallersError, match="expected a regular file"):
            load_caller_file(other)


@pytest.mark.parametrize("usable", [True, False])
def test_a_file_of_keys_must_hold_one_for_the_algorithms(tmp_path, usable):
    """Its path is relative to the caller file; a key of another kind, or a secret one, is none."""
    keys = [rs256().public(), {"kty": "oct", "k": "c2VjcmV0", "kid": "s"}, {"kty": "EC"}, "x"]
    (tmp_path / "keys.json").write_text(json.dumps({"keys": [es256().public(), *keys] if usable else keys}))
    text = RIGHT.replace("    member_claim", "    jwks: keys.json\n    member_claim")
    if usable:
        assert load_caller_file(write_callers(tmp_path, text)).issuers["main"].jwks == tmp_path / "keys.json"
    else:
        (fault,) = faults(tmp_path, text)
        assert "there is no key for its algorithms" in fault


@pytest.mark.parametrize(
    ("url", "secure"),
    [
        ("https://id.example.org/keys", True),
        ("http://127.0.0.1:8080/keys", True),
        ("http://[::1]/keys", True),
        ("http://localhost/keys", True),
        ("http://id.example.org/keys", False),
        ("http://127.0.0.1.example.org/keys", False),
        ("http://127.0.0.1@example.org/keys", False),
        ("https://user:password@id.example.org/keys", False),
        ("file:///etc/passwd", False),
        ("https://", False),
        ("https://[", False),
    ],
)
def test_keys_are_read_over_connections_that_nobody_can_change(url, secure):
    """HTTPS, or HTTP of this machine alone."""
    assert is_secure_url(url) is secure


def test_the_schema_lists_all_rights_and_actors():
    """A right that the code knows can be given in a file."""
    caller = json.loads(schema_text("callers"))["$defs"]["caller"]["properties"]
    assert set(caller["rights"]["properties"]) == set(Right)
    assert set(caller["actors"]["items"]["enum"]) == set(ActorKind)


ODD = st.sampled_from([None, True, 7, "", "*", [], {}, "https://[", "../keys\0", "spiffe://a/b", "x" * 300])
TOKENS = st.fixed_dictionaries(
    {"issuer": st.sampled_from(["main", "other"]) | ODD},
    optional={"subject": st.just("s") | ODD, "claims": st.just({"azp": "web"}) | ODD},
)
IDENTITIES = (
    st.fixed_dictionaries({"dns": st.sampled_from(["a.svc", "A.svc", "b.svc"]) | ODD})
    | st.fixed_dictionaries({"key": st.fixed_dictionaries({"name": st.just("k"), "sha256": st.just(DIGEST)}) | ODD})
    | st.fixed_dictionaries({"jwt": TOKENS | ODD})
    | st.just({"unix_socket": True})
)
CALLERS = st.fixed_dictionaries(
    {"identities": st.lists(IDENTITIES, min_size=1, max_size=3), "rights": st.just({"check": "*"}) | ODD},
    optional={"actors": st.just(["proven"]) | st.lists(ODD, max_size=1)},
)
ISSUERS = st.fixed_dictionaries(
    {"issuer": st.just("https://a.example") | ODD, "audience": st.just("x"), "algorithms": st.just(["ES256"])},
    optional={"jwks": st.just("keys.json") | ODD, "member_claim": st.just("sub") | ODD},
)


@unhurried
@given(
    callers=st.dictionaries(st.sampled_from(["a", "b"]), CALLERS, min_size=1),
    issuers=st.dictionaries(st.sampled_from(["main", "other"]), ISSUERS),
)
def test_any_document_is_read_or_refused(tmp_path_factory, callers, issuers):
    """Whatever a file holds, nothing but its faults is raised, and what is accepted can be used."""
    path = write_callers(tmp_path_factory.mktemp("any"), json.dumps({"callers": callers, "issuers": issuers}))
    with suppress(CallersError):
        file = load_caller_file(path)
        assert CallerDirectory(file, JwtVerifier(file.issuers.values())).names() == [*callers]
