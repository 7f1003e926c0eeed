"""`sidegate enforce`: a line in, a line out, and clear words for wrong files."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from sidegate.cli.app import cli

MODEL = """\
[request_definition]
r = sub, obj, act
r2 = sub, act
[policy_definition]
p = sub, obj, act
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = r.sub == p.sub && r.obj == p.obj && r.act == p.act
m2 = r2.sub == p.sub && r2.act == p.act
"""
POLICY = "# who may what\np, alice, data1, read\np, bob, data2, write\n"


@pytest.fixture
def enforce(tmp_path):
    """Run `enforce` on files with these texts; return the exit code, the printed objects and standard error."""

    def run(requests: str | bytes, *flags: str, model: str = MODEL, policy: str = POLICY):
        (tmp_path / "model.conf").write_text(model, encoding="utf-8")
        (tmp_path / "policy.csv").write_text(policy, encoding="utf-8")
        files = ["--model", str(tmp_path / "model.conf"), "--policy", str(tmp_path / "policy.csv")]
        result = CliRunner().invoke(cli, ["enforce", *files, "--requests", "-", *flags], input=requests)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.exit_code, [json.loads(line) for line in result.stdout.splitlines()], result.stderr

    return run


def test_each_line_is_answered_in_order_with_the_row_that_decided(enforce):
    """An allow names its row, a deny by default names none."""
    code, answers, _ = enforce(
        '["alice","data1","read"]\n{"request": ["bob","data2","write"]}\n["bob","data1","read"]\n'
    )
    assert code == 0
    assert answers == [
        {"allow": True, "explain": ["alice", "data1", "read"]},
        {"allow": True, "explain": ["bob", "data2", "write"]},
        {"allow": False, "explain": []},
    ]


def test_blank_lines_are_no_requests(enforce):
    """A file may end in an empty line."""
    assert enforce('\n["alice","data1","read"]\n\n')[:2] == (
        0,
        [{"allow": True, "explain": ["alice", "data1", "read"]}],
    )


@pytest.mark.parametrize(
    "line",
    [
        "alice, data1, read",
        '"alice"',
        "{}",
        '{"request": "alice"}',
        '{"sub": "alice", "obj": "data1", "act": "read"}',
        '["alice", "data1"]',
        '["alice", "data1", NaN]',
        "[" * 100_000,
        b"\xff\xfe",
        '{"request": ["a", "b", "c"], "context": {"request": "r9"}}',
        '{"request": ["a", "b", "c"], "context": {"reqest": "r2"}}',
        '{"request": ["a", "b", "c"], "context": "r2"}',
    ],
)
def test_a_line_that_is_no_request_fails_alone(enforce, line):
    """It is answered with its number and never as an allow; the lines around it are decided, and the exit code is 3."""
    line = line if isinstance(line, bytes) else line.encode()
    good = b'["alice","data1","read"]\n'
    code, answers, error = enforce(good + line + b"\n" + good)
    assert code == 3
    assert [answer.get("allow") for answer in answers] == [True, None, True]
    assert answers[1]["line"] == 2
    assert answers[1]["reason"] == "REQUEST_FAULTY"
    assert answers[1]["error"]
    assert error == ""


def test_values_may_be_objects_with_properties(enforce):
    """An attribute-based model reads the properties of a JSON object."""
    model = MODEL.replace("m = r.sub == p.sub &&", "m = r.sub.age >= 18 &&")
    code, answers, _ = enforce('[{"age": 18}, "data1", "read"]\n[{"age": 17}, "data1", "read"]\n', model=model)
    assert code == 0
    assert [answer["allow"] for answer in answers] == [True, False]


def test_a_rule_that_cannot_be_evaluated_is_not_an_allow(enforce):
    """A missing property is an error line of its own."""
    model = MODEL.replace("m = r.sub == p.sub &&", "m = r.sub.age >= 18 &&")
    code, answers, _ = enforce('[{"name": "alice"}, "data1", "read"]\n', model=model)
    assert code == 3
    assert answers[0]["reason"] == "EVALUATION_FAILED"


def test_a_request_can_choose_other_sections(enforce):
    """`context` names the sections of one request, as Casbin's enforce context does."""
    line = '{"request": ["alice", "read"], "context": {"request": "r2", "matcher": "m2"}}\n'
    assert enforce(line)[:2] == (0, [{"allow": True, "explain": ["alice", "data1", "read"]}])


def test_domains_can_be_patterns(enforce):
    """`--domain-match` registers a built-in function for a role section."""
    model = """\
[request_definition]
r = sub, dom, act
[policy_definition]
p = role, act
[role_definition]
g = _, _, _
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = g(r.sub, p.role, r.dom) && r.act == p.act
"""
    policy = "p, admin, read\ng, alice, admin, *\n"
    line = '["alice", "acme", "read"]\n'
    plain = enforce(line, model=model, policy=policy)
    matched = enforce(line, "--domain-match", "g=keyMatch", model=model, policy=policy)
    assert [answer["allow"] for _, (answer,), _ in (plain, matched)] == [False, True]


@pytest.mark.parametrize(
    ("changes", "location"),
    [
        ({"model": "[matchers]\nm = r.sub ==\n"}, "model.conf"),
        ({"policy": "p, alice, data1, read\np, bob\n"}, "policy.csv:2"),
        ({"policy": "p, alice, data1, read\np, bob, (data2, write\n"}, "policy.csv:2"),
        ({"policy": "# nothing\n"}, "policy.csv"),
    ],
)
def test_wrong_files_are_reported_with_their_location(enforce, changes, location):
    """Nothing is decided by files that are wrong; the exit code is 2."""
    code, answers, error = enforce('["alice","data1","read"]\n', **changes)
    assert (code, answers) == (2, [])
    assert location in error
    assert error.startswith("error: ")
    assert "Traceback" not in error


@pytest.mark.parametrize("missing", ["--model", "--policy", "--requests"])
def test_a_file_that_is_not_there_is_a_sentence(tmp_path, missing):
    """Each of the three files is named when it can't be opened."""
    files = {"--model": MODEL, "--policy": POLICY, "--requests": ""}
    for flag, text in files.items():
        (tmp_path / flag[2:]).write_text(text)
    (tmp_path / missing[2:]).unlink()
    arguments = [part for flag in files for part in (flag, str(tmp_path / flag[2:]))]
    result = CliRunner().invoke(cli, ["enforce", *arguments])
    assert result.exit_code == 2
    assert result.stderr == f"error: can't open `{tmp_path / missing[2:]}`: no such file or directory\n"


def test_a_wrong_pattern_flag_is_a_usage_error(enforce):
    """`--domain-match` says what it expects."""
    code, _, error = enforce("", "--domain-match", "keyMatch")
    assert code == 2
    assert "expected `section=function`, such as `g=keyMatch`" in error
