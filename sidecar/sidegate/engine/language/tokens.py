"""The words of the matcher language."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_WORD: Final = re.compile(
    r"""\s*(?:
      (?P<number> (?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))
    | (?P<string> '(?:[^'\\\n]|\\.)*' | "(?:[^"\\\n]|\\.)*")
    | (?P<name>   [A-Za-z_][A-Za-z0-9_]*)
    | (?P<mark>   &&|\|\||==|!=|<=|>=|//|[<>!+\-*/%()\[\],.])
    | (?P<end>    \#.*|$)
    )""",
    re.VERBOSE | re.DOTALL,
)
_SPELLINGS: Final = {"&&": "and", "||": "or", "!": "not"}
_GO_SPELLINGS: Final = {"true": "True", "false": "False", "IN": "in"}
"""Names that Casbin for Go reads as these; pycasbin knows no such names, so they have one meaning."""
_OPERATORS: Final = frozenset({"and", "or", "not", "in", "if", "else"})
_REWRITTEN: Final = re.compile(r"[^\w\s'\"\\]")


@dataclass(frozen=True, slots=True)
class Token:
    """One word: `kind` is number, string, name, mark or end; its text is spelled as Python spells it."""

    kind: str
    text: str
    start: int


def tokenize(text: str) -> list[Token]:
    """Split a matcher or condition into words, an end token last; `#` outside a literal starts a comment.

    Raises:
        ValueError: a character that starts no word, or a string that does not end.
    """
    found: list[Token] = []
    at = 0
    while True:
        word = _WORD.match(text, at)
        if word is None or word.lastgroup is None:
            rest = text[at:].strip()
            hint = "; write `==` to compare" if rest.startswith("=") else ""
            raise ValueError(f"unexpected `{rest[:20]}`{hint}")
        kind, word_text = word.lastgroup, word[word.lastgroup]
        if kind == "end":
            found.append(Token("end", "", len(text)))
            return found
        if kind == "name" and not (found and found[-1].text == "."):
            word_text = _GO_SPELLINGS.get(word_text, word_text)
        if word_text in _SPELLINGS or (kind == "name" and word_text in _OPERATORS):
            kind = "mark"
        found.append(Token(kind, _SPELLINGS.get(word_text, word_text), word.start(word.lastgroup)))
        at = word.end()


def python_spelling(text: str) -> str:
    """Return a text in Python's spelling: `and` for `&&`, and literals that pycasbin does not rewrite."""
    pieces = []
    for token in tokenize(text):
        if token.kind == "string":
            pieces.append(_escaped(token.text))
        elif token.kind == "mark" and token.text.isalpha():
            pieces.append(f" {token.text} ")
        else:
            pieces.append(token.text)
    return "".join(pieces)


def _escaped(literal: str) -> str:
    """Return a literal of the same value in which punctuation is spelled by code."""
    quote, inner = literal[0], literal[1:-1]
    pieces = re.split(r"(\\.)", inner, flags=re.DOTALL)
    plain = (
        piece if piece.startswith("\\") else _REWRITTEN.sub(lambda found: f"\\U{ord(found[0]):08x}", piece)
        for piece in pieces
    )
    return quote + "".join(plain) + quote
