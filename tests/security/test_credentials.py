"""Credentials that are almost right, sent to a running sidecar: none of them gets in."""

from __future__ import annotations

import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path

import grpc
import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sidegate.authz.v1 import authorization_pb2 as pb
from sidegate.authz.v1.authorization_pb2_grpc import AuthorizationServiceStub
from sidegate.bootstrap import serving
from sidegate.client.channel import open_channel
from sidegate.config.settings import GivenSettings
from support.servers.authority import Authority, client_files
from support.servers.callers import IssuerServer, SigningKey, es256, issuer_server, rs256, write_callers
from support.servers.sidecar import failure
from support.waiting import until

CHECK = pb.CheckRequest(
    tenant="acme", subject=pb.Subject(id="uma"), action="view", resource=pb.Resource(type="document", id="d1")
)
SPIFFE = "spiffe://example.org/ns/shop/sa/orders"


def _encoded(text: str | bytes) -> str:
    raw = text.encode() if isinstance(text, str) else text
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _unsigned(token: str) -> str:
    header = _encoded('{"alg":"none","typ":"JWT","kid":"r1"}')
    return f"{header}.{token.split('.')[1]}."


def _signed_with_the_public_key(key: SigningKey, token: str) -> str:
    """Return a token whose HMAC is of the public key, which everybody knows."""
    public = key.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    header, claims = _encoded('{"alg":"HS256","typ":"JWT","kid":"r1"}'), token.split(".")[1]
    signature = jwt.get_algorithm_by_name("HS256").sign(f"{header}.{claims}".encode(), public)
    return f"{header}.{claims}.{_encoded(signature)}"


WRONG: dict[str, Callable[[IssuerServer, SigningKey], str]] = {
    "expired": lambda issuer, key: issuer.token(key, exp=int(time.time()) - 1),
    "without an end": lambda issuer, key: issuer.token(key, exp=None),
    "wrong audience": lambda issuer, key: issuer.token(key, aud="another-service"),
    "without an audience": lambda issuer, key: issuer.token(key, aud=None),
    "wrong issuer": lambda issuer, key: issuer.token(key, iss="https://id.example.com"),
    "without an issuer": lambda issuer, key: issuer.token(key, iss=None),
    "alg: none": lambda issuer, key: _unsigned(issuer.token(key)),
    "without a signature": lambda issuer, key: issuer.token(key).rpartition(".")[0] + ".",
    "HS256 with the public key": lambda issuer, key: _signed_with_the_public_key(key, issuer.token(key)),
    "another algorithm": lambda issuer, _: issuer.token(es256("r1")),
    "another key": lambda issuer, _: issuer.token(rs256("r1")),
    "of nobody": lambda issuer, key: issuer.token(key, sub="somebody"),
    "cut": lambda issuer, key: issuer.token(key)[:-1],
    "twice": lambda issuer, key: f"{issuer.token(key)} {issuer.token(key)}",
}


async def test_no_wrong_token_is_accepted(tmp_path: Path):
    """CVE-2026-55689 among them (an audience that nobody compared): each is UNAUTHENTICATED, the right one is not."""
    key = rs256()
    with issuer_server() as issuer:
        issuer.publish(key)
        text = f"""\
callers:
  orders:
    identities: [jwt: {{issuer: main, subject: orders}}]
    rights: {{check: [acme]}}
issuers:
  main: {{issuer: "{issuer.url}", audience: sidegate, algorithms: [RS256], jwks: "{issuer.url}/keys"}}
"""
        settings = GivenSettings.model_validate(
            {
                "database": f"sqlite:///{tmp_path}/facts.db",
                "listen": ("127.0.0.1:0",),
                "callers": write_callers(tmp_path, text),
                "drain": 0,
            }
        )
        async with serving(settings) as running, grpc.aio.insecure_channel(running.addresses[0]) as channel:
            check = AuthorizationServiceStub(channel).Check

            def asked(token: str):
                return check(CHECK, metadata=(("authorization", f"Bearer {token}"),))

            assert (await asked(issuer.token(key))).decision == pb.DECISION_DENY
            for name, made in WRONG.items():
                refusal = await failure(asked(made(issuer, key)))
                assert refusal.code is grpc.StatusCode.UNAUTHENTICATED, name
            assert (await asked(issuer.token(key))).decision == pb.DECISION_DENY


async def test_a_certificate_that_lost_its_caller_is_refused_on_open_connections(tmp_path: Path):
    """A name that was removed from the caller file gets no answer any more, whatever its connection was allowed."""
    authority = Authority(tmp_path)
    issued, shown = authority.server(), client_files(authority, authority.client(uri=SPIFFE))
    text = f"""\
callers:
  orders:
    identities: [spiffe: "{SPIFFE}"]
    rights: {{check: "*"}}
"""
    settings = GivenSettings.model_validate(
        {
            "database": f"sqlite:///{tmp_path}/facts.db",
            "listen": ("127.0.0.1:0",),
            "callers": write_callers(tmp_path, text),
            "tls_certificate": issued.certificate,
            "tls_key": issued.key,
            "tls_client_ca": authority.ca,
            "drain": 0,
        }
    )
    async with serving(settings) as running, open_channel(running.addresses[0], shown) as channel:
        check = AuthorizationServiceStub(channel).Check
        assert (await check(CHECK)).decision == pb.DECISION_DENY
        write_callers(tmp_path, text.replace("sa/orders", "sa/others"))
        running.reload()

        async def is_refused() -> bool:
            try:
                await check(CHECK)
            except grpc.aio.AioRpcError as error:
                return error.code() is grpc.StatusCode.UNAUTHENTICATED
            return False

        await until(is_refused)
        with pytest.raises(grpc.aio.AioRpcError):
            await check(CHECK)
