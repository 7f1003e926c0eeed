"""Signed tokens, verified with the keys of an issuer that a real HTTP server serves."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from jwt.warnings import InsecureKeyLengthWarning

from sidegate.errors import IssuerUnavailable, Unauthenticated
from sidegate.model.callers.token_issuer import TokenIssuer
from sidegate_adapters.oidc import key_sets
from sidegate_adapters.oidc.key_sets import MAX_AGE, RETRY
from sidegate_adapters.oidc.verifier import LEEWAY, JwtVerifier
from support.servers.callers import AUDIENCE, IssuerServer, SigningKey, ed, es256, issuer_server, rs256

ES, OTHER, RS, ED = es256(), es256("k2"), rs256(), ed()


class Clock:
    """A clock that moves when a test sets it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def issuer() -> Iterator[IssuerServer]:
    with issuer_server() as running:
        running.publish(ES)
        yield running


def verifier_of(issuer: IssuerServer, **changes: Any) -> tuple[JwtVerifier, Clock]:
    clock = Clock()
    given = {"algorithms": ("ES256", "RS256", "EdDSA"), "jwks": f"{issuer.url}/keys", **changes}
    made = JwtVerifier([TokenIssuer("main", issuer.url, AUDIENCE, **given)], clock=clock)
    return made, clock


async def outcome(verifier: JwtVerifier, token: str) -> str:
    """Return "valid", or why a token is refused; no text holds a part of the token."""
    try:
        await verifier.verify(token)
    except (Unauthenticated, IssuerUnavailable) as error:
        refused: Exception = error
    else:
        return "valid"
    assert not any(part and part in str(refused) for part in token.split("."))
    assert refused.__cause__ is None
    return str(refused)


@pytest.mark.parametrize("key", [ES, RS, ED], ids=lambda key: key.algorithm)
async def test_a_signed_token_is_verified(issuer, key):
    """By elliptic curves, RSA and Ed25519; its claims are what the issuer said."""
    issuer.publish(ES, RS, ED)
    verifier, _ = verifier_of(issuer)
    verified = await verifier.verify(issuer.token(key, sub="uma", groups=["staff"], aud=["x", AUDIENCE]))
    assert (verified.claims["sub"], verified.claims["groups"], verified.lease.issuer) == ("uma", ["staff"], "main")
    assert verifier.is_valid(verified.lease)
    assert issuer.asked == ["/keys"]


NOW, DAY = int(time.time()), 86_400
REFUSED = {
    "expired": ({"exp": NOW - 60}, "the token has expired"),
    "expired within the leeway": ({"exp": NOW - 2}, "the token has expired"),
    "without an end": ({"exp": None}, "the token lacks the claim `exp`"),
    "an end that is a text": ({"exp": str(NOW + DAY)}, "the token's claim `exp` is no time"),
    "an end that is a truth": ({"exp": True}, "the token has expired"),
    "not valid yet": ({"nbf": NOW + DAY}, "the token is not valid yet"),
    "from the future": ({"iat": NOW + DAY}, "the token is not valid yet"),
    "for another audience": ({"aud": "billing"}, "the token is for another audience"),
    "for an audience like this one": ({"aud": AUDIENCE + "2"}, "the token is for another audience"),
    "without an audience": ({"aud": None}, "the token lacks the claim `aud`"),
    "of another issuer": ({"iss": "https://evil.example"}, "the token is of no known issuer"),
    "without an issuer": ({"iss": None}, "the token is of no known issuer"),
    "without a subject": ({"sub": None}, "the token lacks the claim `sub`"),
    "a subject that is no text": ({"sub": 7}, "the token is not valid"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_a_token_is_refused_for_what_it_says(issuer, name):
    """Issuer, audience, subject and times are all demanded; after its end a token is never accepted."""
    claims, expected = REFUSED[name]
    verifier, _ = verifier_of(issuer)
    assert await outcome(verifier, issuer.token(ES, **claims)) == expected


async def test_a_clock_may_be_ahead_a_little(issuer):
    """A token that an issuer with a faster clock has just made is valid."""
    verifier, _ = verifier_of(issuer)
    ahead = int(time.time() + LEEWAY / 2)
    assert await outcome(verifier, issuer.token(ES, iat=ahead, nbf=ahead)) == "valid"


def encoded_text(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def encoded(part: object) -> str:
    return encoded_text(json.dumps(part))


def forged(issuer: IssuerServer, header: dict[str, object], sign=lambda _: b"") -> str:
    """Return a token with any header and signature."""
    claims = {"iss": issuer.url, "aud": AUDIENCE, "sub": "orders", "exp": int(time.time()) + 600}
    signed = f"{encoded(header)}.{encoded(claims)}"
    return f"{signed}.{base64.urlsafe_b64encode(sign(signed.encode())).rstrip(b'=').decode()}"


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", None, ["ES256"], {"alg": "ES256"}, 5])
async def test_no_token_goes_unsigned(issuer, algorithm):
    """`alg: none`, in any case and of any type, is no algorithm of an issuer."""
    verifier, _ = verifier_of(issuer)
    found = await outcome(verifier, forged(issuer, {"alg": algorithm, "kid": "k1"}))
    assert found == "the token is not signed with an algorithm of its issuer"


async def test_a_public_key_is_no_secret(issuer):
    """A token that is signed with HMAC and the text of the public key is refused."""
    issuer.publish(RS)
    pem = RS.private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    verifier, _ = verifier_of(issuer)
    for algorithm, digest in (("HS256", hashlib.sha256), ("RS256", hashlib.sha256)):
        token = forged(issuer, {"alg": algorithm, "kid": "r1"}, lambda signed, d=digest: hmac.digest(pem, signed, d))
        assert await outcome(verifier, token) != "valid"


async def test_a_secret_among_the_keys_is_not_used(issuer):
    """A symmetric key, a key for encryption, a short one, and one of another algorithm verify nothing."""
    secret = base64.urlsafe_b64encode(b"s" * 32).rstrip(b"=").decode()
    short = rs256("short", 1024)
    issuer.publish(
        {"kty": "oct", "k": secret, "kid": "k1", "alg": "HS256"},
        ES.public(kid="enc", use="enc"),
        OTHER.public(alg="ES384"),
        short.public(),
        {"kty": "RSA"},
        {"kty": "EC", "crv": "P-256", "x": "!", "y": "!", "kid": "bad"},
    )
    verifier, _ = verifier_of(issuer)
    with pytest.warns(InsecureKeyLengthWarning):
        too_short = issuer.token(short)
    tokens = [
        too_short,
        forged(issuer, {"alg": "HS256", "kid": "k1"}, lambda signed: hmac.digest(b"s" * 32, signed, "sha256")),
        issuer.token(SigningKey("enc", ES.private)),
        issuer.token(OTHER),
        issuer.token(SigningKey("bad", ES.private)),
    ]
    assert not [token for token in tokens if await outcome(verifier, token) == "valid"]


async def test_only_pinned_algorithms_are_accepted(issuer):
    """A key that the issuer has is of no use for an algorithm that the caller file does not name."""
    issuer.publish(ES, RS)
    verifier, _ = verifier_of(issuer, algorithms=("ES256",))
    assert await outcome(verifier, issuer.token(ES)) == "valid"
    assert "not signed with an algorithm" in await outcome(verifier, issuer.token(RS))


async def test_a_signature_is_of_the_key_that_the_token_names(issuer):
    """Another key of the issuer, a key of somebody else, a changed payload and a cut signature are refused."""
    issuer.publish(ES, OTHER)
    verifier, _ = verifier_of(issuer)
    right = issuer.token(ES)
    head, payload, signature = right.split(".")
    changed = json.loads(base64.urlsafe_b64decode(payload + "==")) | {"sub": "admin"}
    wrong = "the token's signature is not right"
    assert await outcome(verifier, issuer.token(SigningKey("k2", ES.private))) == wrong
    assert await outcome(verifier, issuer.token(SigningKey("k1", es256().private))) == wrong
    assert await outcome(verifier, f"{head}.{encoded(changed)}.{signature}") == wrong
    assert await outcome(verifier, f"{head}.{payload}.{signature[:-8]}") != "valid"
    assert await outcome(verifier, right) == "valid"


@pytest.mark.parametrize(
    "headers", [{"jwk": ES.public()}, {"jku": "http://127.0.0.1:1/"}, {"x5u": "http://127.0.0.1:1/"}]
)
async def test_a_token_does_not_bring_its_key(issuer, headers):
    """Keys are those of the issuer, whatever the header of a token offers."""
    issuer.publish(OTHER)
    verifier, _ = verifier_of(issuer)
    assert await outcome(verifier, issuer.token(ES, headers=headers)) != "valid"


@pytest.mark.parametrize("headers", [{"crit": ["b64"], "b64": True}, {"crit": ["exp"], "exp": 1}, {"kid": 7}])
async def test_a_header_that_is_not_understood_is_refused(issuer, headers):
    """What a header calls critical is not ignored."""
    verifier, _ = verifier_of(issuer)
    head, payload, signature = issuer.token(ES).split(".")
    header = json.loads(base64.urlsafe_b64decode(head + "==")) | headers
    assert await outcome(verifier, f"{encoded(header)}.{payload}.{signature}") != "valid"


@pytest.mark.parametrize(
    "token", ["..", "a.b.c", "e30.e30.", "W10.W10.x", "é.é.é", f"{'[' * 5000}.e30.x", "\ud800.x.y"]
)
async def test_what_is_no_token_is_refused(issuer, token):
    """Nothing that a client sends raises anything else."""
    verifier, _ = verifier_of(issuer)
    with pytest.raises(Unauthenticated):
        await verifier.verify(token)


async def test_a_key_without_a_name_is_used_where_it_is_the_only_one(issuer):
    """A token that names no key is verified with the one key for its algorithm; between several none is tried."""
    issuer.publish(ES, RS)
    verifier, clock = verifier_of(issuer)
    unnamed = jwt.encode(jwt.decode(issuer.token(ES), options={"verify_signature": False}), ES.private, "ES256")
    assert await outcome(verifier, unnamed) == "valid"
    issuer.publish(ES, OTHER)
    clock.now += RETRY
    await verifier.refresh()
    assert await outcome(verifier, unnamed) == "the token is not signed with a key of its issuer"


async def test_a_removed_key_ends_what_was_verified_with_it(issuer):
    """A remembered token is not valid any more once the issuer has removed its key, or all keys."""
    verifier, _ = verifier_of(issuer)
    token = issuer.token(ES)
    lease = (await verifier.verify(token)).lease
    await verifier.refresh()
    assert verifier.is_valid(lease)
    issuer.publish(OTHER)
    await verifier.refresh()
    assert not verifier.is_valid(lease)
    assert await outcome(verifier, token) == "the token is not signed with a key of its issuer"
    issuer.publish()
    await verifier.refresh()
    assert await outcome(verifier, issuer.token(OTHER)) == "the token is not signed with a key of its issuer"


async def test_a_remembered_token_ends_when_it_expires(issuer):
    """The end is that of the token, by the clock of the day."""
    verifier, _ = verifier_of(issuer)
    lease = (await verifier.verify(issuer.token(ES, exp=NOW + DAY))).lease
    assert lease.expires == NOW + DAY
    past = JwtVerifier(
        [TokenIssuer("main", issuer.url, AUDIENCE, ("ES256",), f"{issuer.url}/keys")], now=lambda: float(NOW + DAY)
    )
    await past.refresh()
    assert not past.is_valid(lease)


async def test_a_new_key_is_found_when_a_token_names_it(issuer):
    """The keys are read again for an unknown key, once for all that wait, and not again and again for invented ones."""
    verifier, clock = verifier_of(issuer)
    assert await outcome(verifier, issuer.token(ES)) == "valid"
    issuer.publish(ES, OTHER)
    assert await outcome(verifier, issuer.token(OTHER)) == "the token is not signed with a key of its issuer"
    clock.now += RETRY
    found = await asyncio.gather(*(outcome(verifier, issuer.token(OTHER)) for _ in range(20)))
    assert found == ["valid"] * 20
    for number in range(20):
        await outcome(verifier, issuer.token(SigningKey(f"invented{number}", OTHER.private)))
    assert issuer.asked == ["/keys"] * 2


async def test_one_that_stops_waiting_stops_nobody_else(issuer, monkeypatch):
    """A client that gives up while keys are read leaves the reading to the others."""
    entered, released = asyncio.Event(), asyncio.Event()
    loop, read = asyncio.get_running_loop(), key_sets.read_keys

    def slow(which: TokenIssuer) -> list[Any]:
        loop.call_soon_threadsafe(entered.set)
        asyncio.run_coroutine_threadsafe(released.wait(), loop).result()
        return read(which)

    monkeypatch.setattr(key_sets, "read_keys", slow)
    verifier, _ = verifier_of(issuer)
    impatient = asyncio.create_task(outcome(verifier, issuer.token(ES)))
    await entered.wait()
    patient = asyncio.create_task(outcome(verifier, issuer.token(ES)))
    impatient.cancel()
    await asyncio.wait([impatient])
    released.set()
    assert await patient == "valid"
    assert impatient.cancelled()


async def test_keys_are_read_beside_the_event_loop(issuer, monkeypatch):
    """The loop goes on while an issuer takes its time."""
    threads: list[bool] = []
    read = key_sets.read_keys

    def watched(which: TokenIssuer) -> list[Any]:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            threads.append(True)
        return read(which)

    monkeypatch.setattr(key_sets, "read_keys", watched)
    verifier, _ = verifier_of(issuer)
    assert await outcome(verifier, issuer.token(ES)) == "valid"
    assert threads == [True]


async def test_an_issuer_that_does_not_answer_is_no_refusal(issuer):
    """Known keys are used for an hour; then, and without any, the answer is that it can't be checked now."""
    problems: list[tuple[str, str]] = []
    clock = Clock()
    made = TokenIssuer("main", issuer.url, AUDIENCE, ("ES256",), f"{issuer.url}/keys")
    verifier = JwtVerifier([made], clock=clock, failed=lambda *problem: problems.append(problem))
    issuer.status = 500
    unreadable = "the keys of the issuer `main` can't be read now; try again"
    assert await outcome(verifier, issuer.token(ES)) == unreadable
    issuer.status = 200
    clock.now += RETRY
    lease = (await verifier.verify(issuer.token(ES))).lease
    issuer.status = 500
    clock.now += MAX_AGE
    await verifier.refresh()
    assert await outcome(verifier, issuer.token(ES)) == "valid"
    assert verifier.is_valid(lease)
    clock.now += 1
    assert not verifier.is_valid(lease)
    assert await outcome(verifier, issuer.token(ES)) == unreadable
    assert problems == [("main", "its server does not answer: Internal Server Error")]


async def test_a_reload_keeps_the_keys_of_the_same_issuer(issuer):
    """An issuer that does not answer meanwhile is not lost; one that was changed in any way is read again."""
    verifier, _ = verifier_of(issuer)
    token = issuer.token(ES)
    await verifier.verify(token)
    issuer.status = 500
    for algorithms, expected in ((("ES256", "RS256", "EdDSA"), "valid"), (("ES256",), "can't be read now; try again")):
        same = TokenIssuer("main", issuer.url, AUDIENCE, algorithms, f"{issuer.url}/keys")
        reloaded = JwtVerifier([same], clock=Clock(), previous=verifier)
        await reloaded.refresh()
        assert (await outcome(reloaded, token)).endswith(expected)


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        (b"<html>", "it is not JSON"),
        ([1], "it is not a JSON object"),
        ({"keys": {}}, "it is not a JSON Web Key Set: expected a list `keys`"),
        (b" " * (512 * 1024 + 1), "it is longer than 524288 bytes"),
    ],
)
async def test_what_is_no_key_set_is_not_read(issuer, document, problem):
    """A wrong or endless document is refused, and the keys from before stay."""
    problems: list[str] = []
    made = TokenIssuer("main", issuer.url, AUDIENCE, ("ES256",), f"{issuer.url}/keys")
    verifier = JwtVerifier([made], failed=lambda _, why: problems.append(why))
    await verifier.refresh()
    issuer.documents["/keys"] = document
    await verifier.refresh()
    assert problems == [problem]
    assert await outcome(verifier, issuer.token(ES)) == "valid"


async def test_a_redirect_is_not_followed(issuer):
    """The place of the keys is the one in the caller file."""
    issuer.documents["/elsewhere"] = issuer.documents["/keys"]
    issuer.status = 302
    verifier, _ = verifier_of(issuer)
    assert "can't be read" in await outcome(verifier, issuer.token(ES))
    assert issuer.asked == ["/keys"]


async def test_discovery_says_where_the_keys_are(issuer):
    """Without `jwks` the issuer's own document names it; one of another issuer, or without TLS, is not used."""
    well_known = "/.well-known/openid-configuration"
    keys = f"{issuer.url}/keys"
    for document, valid in (
        ({"issuer": issuer.url, "jwks_uri": keys}, True),
        ({"issuer": "https://evil.example", "jwks_uri": keys}, False),
        ({"issuer": issuer.url, "jwks_uri": "http://id.example/keys"}, False),
        ({"issuer": issuer.url, "jwks_uri": "file:///etc/passwd"}, False),
        ({"issuer": issuer.url}, False),
    ):
        issuer.documents[well_known] = document
        verifier, _ = verifier_of(issuer, jwks=None)
        assert (await outcome(verifier, issuer.token(ES)) == "valid") is valid
    assert set(issuer.asked) == {well_known, "/keys"}


async def test_keys_are_read_from_a_file(issuer, tmp_path: Path):
    """A file needs no network; a directory, a pipe and a missing file are none."""
    path = tmp_path / "keys.json"
    path.write_text(json.dumps(issuer.documents["/keys"]))
    verifier, _ = verifier_of(issuer, jwks=path)
    assert await outcome(verifier, issuer.token(ES)) == "valid"
    for place in (tmp_path, tmp_path / "nowhere", Path("/dev/zero")):
        verifier, _ = verifier_of(issuer, jwks=place)
        assert "can't be read" in await outcome(verifier, issuer.token(ES))
    assert issuer.asked == []


async def test_a_changed_token_is_never_valid(issuer):
    """One other character anywhere, a part left out or doubled: the signature is of the whole token."""
    verifier, _ = verifier_of(issuer)
    right = issuer.token(ES)
    assert await outcome(verifier, right) == "valid"
    changes = [right[:at] + ("A" if right[at] != "A" else "B") + right[at + 1 :] for at in range(len(right))]
    changes += [right[:at] + right[at + 1 :] for at in range(0, len(right), 7)]
    changes += [f"{right}.{right}", f"{right}.", right.upper(), right[::-1]]
    for changed in changes:
        with pytest.raises(Unauthenticated):
            await verifier.verify(changed)
