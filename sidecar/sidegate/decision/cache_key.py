"""What a decision may depend on of its request, as a key: different questions have different keys.

The names of a question are in its key as they are. Of its claims only those that the pack declares are in it, as a text
that could be read back: each value begins with its type and its length, so that `True`, `1`, `1.0` and `"1"` differ, as
do `0.0` and `-0.0`. A long text is replaced by its digest. Nothing is normalised. The entries of a map are sorted, as
their order means nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from hashlib import blake2b
from typing import Final, TypeAlias

from sidegate.model.properties import NO_PROPERTIES, Json, Properties
from sidegate.model.question import Request
from sidegate.policy.pack.claims import DeclaredClaims

Question: TypeAlias = tuple[str, str, str, str, str, str, str | bytes]
"""Tenant, subject's type and ID, action, resource's type and ID, and the claims: as a short text, or as a digest."""
NO_CLAIMS: Final = ""
"""In the place of the claims, where nothing that the pack declares is claimed."""
SHORT: Final = 64
"""The most characters of claims that are in a key as they are: that costs less than a digest."""
_DIGEST_BYTES: Final = 32


def question_of(request: Request, declared: DeclaredClaims) -> Question:
    """Return the question that a request asks of a pack which declares these claims.

    Its consistency and its ID are not part of the question: they don't change the right answer.

    Raises:
        TypeError: a declared claim is not a JSON value.
    """
    subject, resource = request.subject, request.resource
    claims = subject.properties or resource.properties or request.context
    return (
        request.tenant,
        subject.type,
        subject.id,
        request.action,
        resource.type,
        resource.id,
        _claims(request, declared) if claims else NO_CLAIMS,
    )


def without_undeclared(request: Request, declared: DeclaredClaims) -> Request:
    """Return a request that asks the same without the claims that the pack does not declare."""
    subject, resource = request.subject, request.resource
    if not (subject.properties or resource.properties or request.context):
        return request
    return replace(
        request,
        subject=replace(subject, properties=_only(subject.properties, declared.subject)),
        resource=replace(resource, properties=_only(resource.properties, declared.of_resource(resource.type))),
        context=_only(request.context, declared.context),
    )


def encoded(parts: Iterable[str | int | bytes]) -> bytes:
    """Return bytes from which the parts could be read back: each begins with its type and its length."""
    found: list[bytes] = []
    for part in parts:
        tag = b"t" if isinstance(part, str) else b"i" if isinstance(part, int) else b"x"
        content = part if isinstance(part, bytes) else _utf8(str(part))
        found += tag, b"%d:" % len(content), content
    return b"".join(found)


def _only(properties: Properties, names: tuple[str, ...]) -> Properties:
    return {name: properties[name] for name in names if name in properties} if properties else NO_PROPERTIES


def _claims(request: Request, declared: DeclaredClaims) -> str | bytes:
    parts: list[str] = []
    subject, resource = request.subject, request.resource
    if subject.properties:
        _put_claims("s", subject.properties, declared.subject, parts.append)
    if resource.properties:
        _put_claims("r", resource.properties, declared.of_resource(resource.type), parts.append)
    if request.context:
        _put_claims("c", request.context, declared.context, parts.append)
    text = "".join(parts)
    return text if len(text) <= SHORT else blake2b(_utf8(text), digest_size=_DIGEST_BYTES).digest()


def _put_claims(part: str, claims: Properties, names: tuple[str, ...], put: Callable[[str], None]) -> None:
    for name in names:
        if name in claims:
            put(f"{part}{len(name)}:{name}")
            _put_value(claims[name], put)


def _put_value(value: Json, put: Callable[[str], None]) -> None:
    kind = value.__class__
    if kind is str:
        put(f"t{len(value)}:{value}")  # type: ignore[arg-type] # a text, as was just tested
    elif kind is bool:
        put("b1" if value else "b0")
    elif kind is int:
        put(f"i{value};")
    elif kind is float:
        put(f"f{value!r};")
    elif value is None:
        put("n")
    elif isinstance(value, list):
        put(f"l{len(value)}:")
        for item in value:
            _put_value(item, put)
    elif isinstance(value, Mapping):
        put(f"m{len(value)}:")
        for name in sorted(value):
            put(f"{len(name)}:{name}")
            _put_value(value[name], put)
    else:
        raise TypeError(f"`{value!r}` is not a JSON value")


def _utf8(text: str) -> bytes:
    """Return different bytes for different texts, lone surrogates included."""
    return text.encode("utf-8", "surrogatepass")
