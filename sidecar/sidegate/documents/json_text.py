"""JSON, which is YAML too, read ten times faster where both mean the same.

Whatever is unusual in a text, and every mistake in it, is left to the reader of YAML, which knows lines.
"""

from __future__ import annotations

import json
import re
from typing import Final

from sidegate.documents.limits import MAX_DEPTH, Limits
from sidegate.documents.scalars import plain_value
from sidegate.model.properties import Json

_UNUSUAL: Final = re.compile(
    r"[^\x20-\x7e\n\r\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"  # YAML refuses some
    r"|\\u[dD][89a-fA-F]"  # half of a pair of surrogates
    r"|\"[ \r]*\n[ \r\n]*:"  # a colon that is not on the line of its key
)
_LONGEST_KEY: Final = 160
"""YAML looks for the colon after a key within 1024 characters, of which an escape takes up to six."""


class NotPlainJson(Exception):
    """A text that is no JSON, or that YAML might read otherwise."""


def read_json(text: str, limits: Limits) -> Json:
    """Return the value of a JSON text.

    Raises:
        NotPlainJson: the reader of YAML has to read it.
    """
    most = 1 + text.count(",") + text.count("{") + text.count("[")
    if text[:1] not in {"{", "["} or most > limits.values or _UNUSUAL.search(text):
        raise NotPlainJson
    try:
        value: Json = json.loads(
            text,
            object_pairs_hook=_mapping,
            parse_int=plain_value,
            parse_float=plain_value,
            parse_constant=_constant,
        )
    except (ValueError, RecursionError) as error:
        raise NotPlainJson from error
    if _is_too_deep(value):
        raise NotPlainJson
    return value


def _mapping(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    made = dict(pairs)
    if len(made) < len(pairs) or any(len(key) > _LONGEST_KEY for key in made):
        raise NotPlainJson
    return made


def _constant(name: str) -> Json:
    """Refuse `NaN` and the like, which are text in YAML."""
    raise NotPlainJson(name)


def _is_too_deep(value: Json) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH):
        inside = (one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list))
        level = [value for values in inside for value in values if isinstance(value, dict | list)]
        if not level:
            return False
    return True
