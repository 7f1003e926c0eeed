"""A pack with any content loads or says what is wrong; a condition that loads never raises."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from sidegate.engine import ENGINES, Entity
from sidegate.errors import PackError
from sidegate.policy.describe.readme import readme
from sidegate.policy.lint.findings import lint_pack
from sidegate.policy.pack.compile import compile_pack
from sidegate.policy.pack.condition_names import condition_names
from sidegate.policy.pack.conditions import condition_fault
from sidegate.policy.pack.load import load_pack
from sidegate.policy.pack.schema import Schema
from sidegate.policy.pack.scope_function import DOMAIN_MATCH, FUNCTIONS
from support.packs.packs import MODEL, ROWS, SCHEMA, write_pack

WORDLIKE = """* ** " ' ( ) [ { } : , &a *a !!x --- # True None eval(p.cond) r.sub.x r2 p2=x tenant deny on null 1e9 é"""
SNIPPETS = st.sampled_from([*WORDLIKE.split(), "\n", "\t", " ", "\x00", "\ufeff"])
TEXTS = {"schema": SCHEMA, "model": MODEL, "rows": ROWS}
NUMBERS = st.sampled_from(["r.sub.quota", "r.sub.clearance", "0", "-1", "1.5"])
WORDS = st.sampled_from(["r.sub.id", "r.obj.status", "r.dom.label", "r.env.ip", "r.act", '"draft"', '""', '"*"'])
TRUTHS = st.sampled_from(["True", "False", "r.sub.mfa", "r.dom.require_mfa"])
PATTERNS = ['"a*"', '"/a/:id"', '"10.0.0.0/8"', '"("', '"_"', '"2026-01-31 00:00:00"', "r.sub.name", '"[a-z]+"']
FIRST = st.one_of(WORDS, st.just("r.env.address"), st.just('"10.0.0.1"'))


def _one_part() -> st.SearchStrategy[str]:
    operators = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
    functions = st.sampled_from(
        ["keyMatch", "keyMatch2", "keyMatch3", "keyMatch5", "regexMatch", "ipMatch", "timeMatch"]
    )
    return st.one_of(
        TRUTHS,
        st.tuples(NUMBERS, operators, NUMBERS).map(" ".join),
        st.tuples(WORDS, operators, WORDS).map(" ".join),
        st.tuples(WORDS, st.lists(WORDS, min_size=1, max_size=3)).map(lambda x: f"{x[0]} in ({', '.join(x[1])},)"),
        WORDS.map("{} in r.obj.readers".format),
        st.tuples(functions, FIRST, st.sampled_from(PATTERNS)).map(lambda x: f"{x[0]}({x[1]}, {x[2]})"),
        st.sampled_from(["tenant", "note", "folder", "desk", "member"]).map('scope(r.obj, r.dom, "{}") == ""'.format),
        st.sampled_from(["admin", "owner", "self"]).map('g(r.sub.ref, "{}", r.obj.ref)'.format),
    )


CONDITIONS = st.recursive(
    _one_part(),
    lambda inner: st.one_of(
        inner.map("!({})".format),
        st.tuples(inner, st.sampled_from(["&&", "||", "=="]), inner).map(lambda x: f"({x[0]}) {x[1]} ({x[2]})"),
    ),
    max_leaves=5,
)


def _small() -> Schema:
    with tempfile.TemporaryDirectory() as directory:
        return load_pack(write_pack(Path(directory))).schema


SMALL = _small()


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(sorted(TEXTS)), st.floats(0, 1), st.integers(0, 9), SNIPPETS), max_size=3))
def test_a_mangled_pack_loads_or_is_a_pack_error(cuts: list[tuple[str, float, int, str]]) -> None:
    """Any text in the three files gives a PackError or a pack that compiles, lints and has a README."""
    texts = dict(TEXTS)
    for name, share, width, snippet in cuts:
        text = texts[name]
        at = int(share * len(text))
        texts[name] = text[:at] + snippet + text[at + width :]
    with tempfile.TemporaryDirectory() as directory:
        try:
            pack = load_pack(write_pack(Path(directory), **texts))
            compile_pack(pack, ENGINES["reference"])
        except PackError as error:
            messages = [fault.message for fault in error.faults]
        else:
            messages = [pack.schema.name, *(fault.message for fault in lint_pack(pack))]
            assert readme(pack).startswith(f"# {pack.schema.name}\n")
        assert messages
        assert all(messages)


@settings(max_examples=150, deadline=None)
@given(CONDITIONS)
def test_a_condition_that_is_accepted_never_raises(condition: str) -> None:
    """An accepted condition is evaluated with defaults alone, and all engines answer the same."""
    note = SMALL.resources["note"]
    names = condition_names(SMALL, [note])
    if condition_fault(condition, names) is not None:
        return
    entities = {
        name: Entity({declared.name: declared.default for declared in properties.values()})
        for name, properties in names.entities.items()
    }
    resource = Entity(
        {**{p.name: p.default for p in names.resources["note"].values()}, "type": "note"}, {"note": "note:n"}
    )
    row = ("p", "*", "tenant", "note", "view", condition, "allow", "SM-01")
    request = (entities["sub"], entities["dom"], resource, "view", entities["env"])
    answers = {
        engine.compile(MODEL, [row], functions=FUNCTIONS, domain_match=DOMAIN_MATCH).evaluate(request)
        for engine in ENGINES.values()
    }
    (answer,) = answers
    assert answer.allowed is (answer.rule is not None)
