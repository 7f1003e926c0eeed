"""Caller files, and issuers of tokens with an HTTP server for their keys."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

AUDIENCE = "sidegate"


@dataclass
class SigningKey:
    """A key pair of an issuer."""

    id: str
    private: Any
    algorithm: str = "ES256"

    def public(self, **changes: object) -> dict[str, Any]:
        """Return the public key as a JSON Web Key."""
        made = jwt.get_algorithm_by_name(self.algorithm).to_jwk(self.private.public_key(), as_dict=True)
        return {**made, "kid": self.id, "use": "sig", "alg": self.algorithm, **changes}


def es256(id_: str = "k1") -> SigningKey:
    return SigningKey(id_, ec.generate_private_key(ec.SECP256R1()))


def rs256(id_: str = "r1", bits: int = 2048) -> SigningKey:
    return SigningKey(id_, rsa.generate_private_key(65537, bits), "RS256")


def ed(id_: str = "e1") -> SigningKey:
    return SigningKey(id_, ed25519.Ed25519PrivateKey.generate(), "EdDSA")


@dataclass
class IssuerServer:
    """An issuer: its URL, the documents that it serves by path, and what was asked."""

    url: str = ""
    documents: dict[str, object] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    status: int = 200

    def publish(self, *keys: SigningKey | Mapping[str, Any]) -> None:
        """Serve these keys."""
        served = [key.public() if isinstance(key, SigningKey) else key for key in keys]
        self.documents["/keys"] = {"keys": served}

    def token(self, key: SigningKey, *, headers: Mapping[str, Any] | None = None, **claims: object) -> str:
        """Return a token signed with a key; a claim that is None is left out."""
        now = int(time.time())
        given = {"iss": self.url, "aud": AUDIENCE, "sub": "orders", "iat": now, "exp": now + 600, **claims}
        held = {name: value for name, value in given.items() if value is not None}
        return jwt.encode(held, key.private, key.algorithm, headers={"kid": key.id, **(headers or {})})


@contextmanager
def issuer_server() -> Iterator[IssuerServer]:
    """Run an issuer on a port of this machine."""
    issuer = IssuerServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.asked.append(self.path)
            found = issuer.documents.get(self.path)
            status = issuer.status if found is not None else 404
            body = found if isinstance(found, bytes) else json.dumps(found).encode()
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", f"{issuer.url}/elsewhere")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    issuer.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def write_callers(directory: Path, text: str) -> Path:
    """Write a caller file."""
    path = directory / "callers.yaml"
    path.write_text(text)
    return path
