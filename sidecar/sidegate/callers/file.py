"""The caller file: which credentials belong to which caller, and what that caller may do."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from sidegate.callers.keys import without_keys
from sidegate.documents.json_schema import check_schema
from sidegate.documents.suggestions import nearest
from sidegate.documents.yaml import Document, parse_document
from sidegate.errors import CallersError, Fault, FaultyFiles
from sidegate.model.callers.caller import ALL_TENANTS, ActorKind, Caller, Right, TenantSet
from sidegate.model.callers.token_issuer import TokenIssuer, is_secure_url

SCHEMA: Final = "callers"
_URL: Final = "://"


@dataclass(frozen=True, slots=True)
class TokenIdentity:
    """Tokens of an issuer, by their subject ("" for any), and by claims that are, or hold, the given text."""

    issuer: str
    subject: str
    claims: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Identity:
    """One way in which a caller proves who it is; `kind` is `spiffe`, `dns`, `key`, `jwt` or `unix_socket`.

    `value` is the SPIFFE ID, the DNS name, the SHA-256 of the key in hexadecimal, or what tokens must say.
    """

    kind: str
    value: str | TokenIdentity | bool


@dataclass(frozen=True, slots=True)
class CallerFile:
    """The callers with their identities, and the issuers of tokens by their names."""

    callers: tuple[tuple[Caller, tuple[Identity, ...]], ...]
    issuers: Mapping[str, TokenIssuer]


_Path: TypeAlias = tuple[str | int, ...]


KeysCheck: TypeAlias = Callable[[TokenIssuer], str]
"""Returns what is wrong with the keys of an issuer that are in a file; "" where nothing is."""


def read_caller_file(path: Path, check_keys: KeysCheck) -> CallerFile:
    """Read a caller file, and the files of keys that it names.

    Raises:
        CallersError: it can't be read, or is wrong; names every fault with its line.
    """
    document = _parsed(path)
    faults = check_schema(document, SCHEMA)
    if not faults:
        faults = tuple(sorted(_Checks(document, path.parent, check_keys).faults(), key=lambda fault: fault.line))
    if faults:
        raise _error(*faults)
    value: Any = document.value
    return CallerFile(
        callers=tuple(
            (_caller(name, given), tuple(map(_identity, given["identities"])))
            for name, given in value["callers"].items()
        ),
        issuers=MappingProxyType(
            {name: _issuer(name, given, path.parent) for name, given in value.get("issuers", {}).items()}
        ),
    )


def _parsed(path: Path) -> Document:
    try:
        _require_safe(path)
        return parse_document(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        message = f"can't read the callers: {(error.strerror or 'not readable').lower()}"
        raise CallersError(Fault(str(path), 0, "", message)) from error
    except UnicodeDecodeError as error:
        raise CallersError(Fault(str(path), 0, "", "not UTF-8 text")) from error
    except FaultyFiles as error:
        # Not chained: its text may quote a key.
        raise _error(*error.faults) from None


def _error(*faults: Fault) -> CallersError:
    """Return the error of a caller file, which never quotes a key: errors are logged."""
    return CallersError(
        *(replace(fault, key=without_keys(fault.key), message=without_keys(fault.message)) for fault in faults)
    )


def _require_safe(path: Path) -> None:
    """Refuse a file that anybody on this machine could change, or that is none and could be read without end.

    Raises:
        CallersError: it is not safe.
        OSError: there is none.
    """
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        raise CallersError(Fault(str(path), 0, "", "can't read the callers: expected a regular file"))
    if mode & stat.S_IWOTH:
        message = f"every user of this machine can change it: expected a mode such as 644, not {stat.S_IMODE(mode):o}"
        raise CallersError(Fault(str(path), 0, "", message))


def _caller(name: str, given: Mapping[str, Any]) -> Caller:
    rights = {
        Right(right): ALL_TENANTS if tenants == "*" else TenantSet(frozenset(tenants))
        for right, tenants in given["rights"].items()
    }
    return Caller(name, MappingProxyType(rights), frozenset(map(ActorKind, given.get("actors", ()))))


def _identity(given: Mapping[str, Any]) -> Identity:
    ((kind, value),) = given.items()
    match kind:
        case "dns":
            return Identity(kind, value.lower())
        case "key":
            return Identity(kind, value["sha256"])
        case "jwt":
            claims = MappingProxyType(dict(value.get("claims", {})))
            return Identity(kind, TokenIdentity(value["issuer"], value.get("subject", ""), claims))
        case _:
            return Identity(kind, value)


def _issuer(name: str, given: Mapping[str, Any], directory: Path) -> TokenIssuer:
    jwks: str | Path | None = given.get("jwks")
    if isinstance(jwks, str) and _URL not in jwks:
        jwks = directory / jwks
    return TokenIssuer(
        name,
        given["issuer"],
        given["audience"],
        tuple(given["algorithms"]),
        jwks=jwks,
        member_claim=given.get("member_claim", ""),
        tenant_claim=given.get("tenant_claim", ""),
    )


class _Checks:
    """What no schema can say of a caller file."""

    def __init__(self, document: Document, directory: Path, check_keys: KeysCheck) -> None:
        value: Any = document.value
        self._document = document
        self._directory = directory
        self._check_keys = check_keys
        self._callers: Mapping[str, Any] = value["callers"]
        self._issuers: Mapping[str, Any] = value.get("issuers", {})

    def faults(self) -> Iterator[Fault]:
        """Yield every fault."""
        yield from self._shared_identities()
        for name, given in self._callers.items():
            yield from self._key_names(name, given)
            yield from self._tokens(name, given)
            yield from self._proven(name, given)
        yield from self._issuer_faults()

    def _shared_identities(self) -> Iterator[Fault]:
        owners: dict[str, str] = {}
        for path, given in self._identities():
            shown, owner = repr(_comparable(_identity(given))), str(path[1])
            if shown in owners:
                yield self._document.fault(path, f"this identity is one of `{owners[shown]}` already: expected it once")
            owners.setdefault(shown, owner)

    def _key_names(self, name: str, given: Mapping[str, Any]) -> Iterator[Fault]:
        seen: set[str] = set()
        for position, identity in enumerate(given["identities"]):
            key = identity.get("key", {}).get("name")
            if key in seen:
                path = ("callers", name, "identities", position, "key", "name")
                yield self._document.fault(path, f"`{key}` names another key of `{name}` already")
            if key:
                seen.add(key)

    def _tokens(self, name: str, given: Mapping[str, Any]) -> Iterator[Fault]:
        for position, identity in enumerate(given["identities"]):
            token, path = identity.get("jwt"), ("callers", name, "identities", position, "jwt")
            if token is None:
                continue
            if token["issuer"] not in self._issuers:
                message = f"unknown issuer `{token['issuer']}`: {nearest(token['issuer'], self._issuers)}"
                yield self._document.fault((*path, "issuer"), message)
            if "subject" not in token and "claims" not in token:
                yield self._document.fault(
                    path, "every token of the issuer would fit: expected a `subject` or `claims`"
                )

    def _proven(self, name: str, given: Mapping[str, Any]) -> Iterator[Fault]:
        actors = given.get("actors", ())
        if ActorKind.PROVEN not in actors:
            return
        issuers = [identity["jwt"]["issuer"] for identity in given["identities"] if "jwt" in identity]
        if not any("member_claim" in self._issuers.get(issuer, {}) for issuer in issuers):
            path = ("callers", name, "actors", actors.index(ActorKind.PROVEN))
            message = "no token proves a member: expected an identity `jwt` whose issuer has a `member_claim`"
            yield self._document.fault(path, message)

    def _issuer_faults(self) -> Iterator[Fault]:
        owners: dict[str, str] = {}
        for name, given in self._issuers.items():
            issuer, path = given["issuer"], ("issuers", name)
            if issuer in owners:
                message = f"`{issuer}` is the issuer of `{owners[issuer]}` already: expected it once"
                yield self._document.fault((*path, "issuer"), message)
            owners.setdefault(issuer, name)
            made = _issuer(name, given, self._directory)
            if isinstance(made.jwks, Path):
                if problem := self._check_keys(made):
                    yield self._document.fault((*path, "jwks"), f"can't use the keys in `{made.jwks}`: {problem}")
                continue
            key = "jwks" if "jwks" in given else "issuer"
            url = given[key]
            if not is_secure_url(url):
                where = "" if key == "jwks" else ", where its keys are looked up, or `jwks` with the keys' place"
                message = f"`{url}` is not right: expected a URL with https, or http of this machine{where}"
                yield self._document.fault((*path, key), message)

    def _identities(self) -> Iterator[tuple[_Path, Mapping[str, Any]]]:
        for name, given in self._callers.items():
            for position, identity in enumerate(given["identities"]):
                yield ("callers", name, "identities", position), identity


def _comparable(identity: Identity) -> object:
    """Return what is equal where two identities are the same."""
    if isinstance(identity.value, TokenIdentity):
        token = identity.value
        return identity.kind, token.issuer, token.subject, sorted(token.claims.items())
    return identity.kind, identity.value
