"""Credentials become a caller, or are refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from sidegate.bootstrap.callers import load_caller_file
from sidegate.callers.directory import CallerDirectory
from sidegate.callers.keys import digest_of, new_key
from sidegate.errors import Unauthenticated
from sidegate.model.callers.caller import Right
from sidegate.model.callers.credentials import Credentials
from sidegate.ports.authenticator import TokenLease, VerifiedToken
from support.servers.callers import write_callers

KEYS = {name: new_key() for name in ("old", "new", "other")}
SPIFFE = "spiffe://example.org/ns/shop/sa/orders"
FILE = f"""\
callers:
  orders:
    identities:
      - spiffe: {SPIFFE}
      - dns: orders.shop.svc
      - key: {{name: old, sha256: "{digest_of(KEYS["old"]).hex()}"}}
      - key: {{name: new, sha256: "{digest_of(KEYS["new"]).hex()}"}}
      - jwt: {{issuer: main, subject: orders}}
    rights: {{check: "*"}}
  billing:
    identities:
      - dns: billing.shop.svc
      - key: {{name: other, sha256: "{digest_of(KEYS["other"]).hex()}"}}
      - jwt: {{issuer: main, claims: {{azp: billing}}}}
    rights: {{check: [acme, globex]}}
  users:
    identities:
      - jwt: {{issuer: people, claims: {{groups: staff}}}}
    rights: {{membership.read: "*"}}
    actors: [proven]
SOCKET
issuers:
  main: {{issuer: "https://main.example", audience: sidegate, algorithms: [ES256]}}
  people:
    issuer: https://people.example
    audience: sidegate
    algorithms: [ES256]
    member_claim: member
    tenant_claim: tenant
"""
SOCKET = """\
  local:
    identities: [{unix_socket: true}]
    rights: {check: "*"}
"""


class Tokens:
    """A verifier that knows some tokens, and counts how often it is asked."""

    def __init__(self, known: Mapping[str, tuple[str, Mapping[str, Any]]]) -> None:
        self.known = dict(known)
        self.verified = 0
        self.valid = True

    async def verify(self, token: str) -> VerifiedToken:
        self.verified += 1
        if token not in self.known:
            raise Unauthenticated("the token is not valid")
        issuer, claims = self.known[token]
        return VerifiedToken(claims, TokenLease(issuer, 0.0, 0))

    def is_valid(self, lease: TokenLease) -> bool:
        return self.valid and bool(lease.issuer)


@pytest.fixture
def opened(tmp_path):
    """Return a directory over the file above, and its verifier."""

    def open_(
        known: Mapping[str, tuple[str, Mapping[str, Any]]] | None = None, *, socket: str = "", remembered: int = 9
    ):
        tokens = Tokens(known or {})
        file = load_caller_file(write_callers(tmp_path, FILE.replace("SOCKET\n", socket)))
        return CallerDirectory(file, tokens, remembered=remembered), tokens

    return open_


async def name_of(directory: CallerDirectory, **given: Any) -> str:
    try:
        return (await directory.authenticate(Credentials(**given))).name
    except Unauthenticated as error:
        return str(error)


async def test_a_caller_has_several_keys(opened):
    """A key is rotated by adding the new one and removing the old one later."""
    directory, _ = opened()
    assert [await name_of(directory, bearer=KEYS[name]) for name in KEYS] == ["orders", "orders", "billing"]
    assert await name_of(directory, bearer=new_key()) == "the key is not known"
    assert await name_of(directory, bearer=digest_of(KEYS["old"]).hex()) == "the key is not known"


async def test_a_certificate_is_a_caller_s_by_one_of_its_names(opened):
    """Exactly by a SPIFFE ID, or by a DNS name in any case; names of several callers are nobody's."""
    directory, _ = opened()
    assert await name_of(directory, uris=(SPIFFE,)) == "orders"
    assert await name_of(directory, dns_names=("x.svc", "Orders.Shop.svc")) == "orders"
    assert await name_of(directory, uris=(SPIFFE,), dns_names=("orders.shop.svc",)) == "orders"
    assert await name_of(directory, uris=(SPIFFE + "/admin",)) == "the certificate belongs to no caller"
    assert await name_of(directory, uris=(SPIFFE.upper(),)) == "the certificate belongs to no caller"
    assert await name_of(directory, dns_names=(SPIFFE,)) == "the certificate belongs to no caller"
    both = await name_of(directory, uris=(SPIFFE,), dns_names=("billing.shop.svc",))
    assert both == "the certificate belongs to several callers"


async def test_a_token_is_a_caller_s_by_subject_or_claims(opened):
    """A claim is the text, or a list that holds it; a token of another issuer is another's."""
    directory, _ = opened(
        {
            "a.b.1": ("main", {"sub": "orders"}),
            "a.b.2": ("main", {"sub": "x", "azp": "billing"}),
            "a.b.3": ("main", {"sub": "orders", "azp": "billing"}),
            "a.b.4": ("people", {"sub": "orders"}),
            "a.b.5": ("main", {"sub": "x", "azp": ["billing"]}),
            "a.b.6": ("main", {"sub": "x", "azp": {"billing": True}}),
        }
    )
    found = [await name_of(directory, bearer=f"a.b.{number}") for number in range(1, 8)]
    assert found == [
        "orders",
        "billing",
        "the token belongs to several callers",
        "the token belongs to no caller",
        "billing",
        "the token belongs to no caller",
        "the token is not valid",
    ]


async def test_a_token_proves_a_member_of_one_tenant(opened):
    """The caller acts for that member alone, and has its rights for that tenant alone."""
    uma = {"sub": "1", "groups": ["staff"], "member": "uma", "tenant": "acme"}
    directory, _ = opened({"a.b.1": ("people", uma), "a.b.2": ("people", {**uma, "tenant": ["acme"]})})
    caller = await directory.authenticate(Credentials("a.b.1"))
    assert caller.may_act_for("member:uma")
    assert not any(map(caller.may_act_for, ("member:ann", "platform")))
    assert caller.refused(Right.MEMBERSHIP_READ, ["acme"]) is None
    assert caller.refused(Right.MEMBERSHIP_READ, ["globex"]) == "globex"
    assert "names no tenant" in await name_of(directory, bearer="a.b.2")


async def test_a_unix_socket_is_a_caller_where_the_file_says_so(opened):
    """Without credentials only; and nowhere without the file saying so."""
    closed, _ = opened()
    opening, _ = opened(socket=SOCKET)
    assert "no credentials" in await name_of(closed, unix_socket=True)
    assert await name_of(opening, unix_socket=True) == "local"
    assert "no credentials" in await name_of(opening)
    assert await name_of(opening, unix_socket=True, bearer=KEYS["other"]) == "billing"


async def test_wrong_credentials_are_refused_whatever_else_is_right(opened):
    """Nothing falls back from a wrong key to a certificate or a socket."""
    directory, _ = opened(socket=SOCKET)
    right = {"uris": (SPIFFE,), "unix_socket": True}
    assert await name_of(directory, bearer="wrong", **right) == "the key is not known"
    assert "is not right" in await name_of(directory, malformed="expected one header", **right)
    assert await name_of(directory, uris=("spiffe://x/y",), unix_socket=True) == "the certificate belongs to no caller"


async def test_a_token_is_verified_once_while_it_is_valid(opened):
    """What is remembered ends with the token, and is bounded."""
    known = {f"a.b.{number}": ("main", {"sub": "orders"}) for number in range(20)}
    directory, tokens = opened(known, remembered=5)
    for _ in range(3):
        assert await name_of(directory, bearer="a.b.1") == "orders"
    assert tokens.verified == 1
    tokens.valid = False
    assert await name_of(directory, bearer="a.b.1") == "orders"
    assert tokens.verified == 2
    tokens.known.clear()
    assert await name_of(directory, bearer="a.b.1") == "the token is not valid"
    tokens.known, tokens.valid = known, True
    for number in range(20):
        await name_of(directory, bearer=f"a.b.{number}")
    assert "5 of 5" in repr(directory)


async def test_nothing_secret_is_shown(opened):
    """Neither a directory nor credentials show a key."""
    directory, _ = opened()
    assert KEYS["old"] not in repr(directory)
    assert KEYS["old"] not in repr(Credentials(KEYS["old"]))
    assert new_key() != new_key()
    assert len(new_key()) > 43
