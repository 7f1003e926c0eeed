"""Texts of callers in the log: each event stays one line, and no character in it acts on a terminal."""

from __future__ import annotations

import json
import re
import unicodedata
from pathlib import Path
from random import Random

import grpc
import pytest

from sidegate.callers.keys import digest_of, new_key
from support.fuzzing.messages import any_message, methods
from support.servers.callers import write_callers
from support.servers.cli import sidecar

METHODS = methods()
KEY = new_key()
CALLERS = f"""\
callers:
  orders:
    identities: [key: {{name: a, sha256: "{digest_of(KEY).hex()}"}}]
    rights: {{check: [acme], list: [demo], membership.read: [acme], membership.write: [demo], facts.bulk: "*"}}
    actors: [members]
"""
INJECTED = (
    'x\n{"event": "forged", "level": "error"}',
    "x\r\nforged",
    "\x1b]0;title\x07\x1b[2J\x1b[31m",
    "\u202egnp.exe\u202c",
    "\u2066a\u2069",
    "\u2028forged\u2029\x85\x0b\x0c",
    "\u200b\ufeff\u00ad",
    "\x00\x7f\x9b31m",
    "\U000e0041\U000e0042",
)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
"""What the log for people is coloured with on a terminal."""


def _send(channel: grpc.Channel, number: int, path: str) -> None:
    """Call a method with an injection in every text, and in a header that the server reads."""
    random = Random(number)
    text = INJECTED[number % len(INJECTED)]
    message = any_message(METHODS[path].input_type, random, hostility=0)
    _replace(message, text, random)
    bearer = f"Bearer {KEY}" if number % 3 else f"Bearer {number} forged"
    metadata = (("authorization", bearer), ("user-agent", "forged"))
    call = channel.unary_stream(path) if METHODS[path].server_streaming else channel.unary_unary(path)
    try:
        answered = call(message.SerializeToString(), metadata=metadata)
        if METHODS[path].server_streaming:
            next(answered)
            answered.cancel()
    except (grpc.RpcError, ValueError):
        return


def _replace(message, text: str, random: Random) -> None:
    """Write a text into each text of a message, most of the time alone."""
    for field, value in message.ListFields():
        if field.type == field.TYPE_STRING and random.random() < 0.8:
            end = text if random.random() < 0.7 else f"{value[:1] if isinstance(value, str) else ''}{text}"
            if field.is_repeated:
                value[:] = [end for _ in value]
            else:
                setattr(message, field.name, end)
        elif field.message_type and not field.message_type.GetOptions().map_entry:
            for part in value if field.is_repeated else (value,):
                if part.DESCRIPTOR.full_name.startswith("sidegate"):
                    _replace(part, text, random)


@pytest.mark.parametrize("style", ["json", "text"])
def test_an_event_is_one_line_of_visible_characters(tmp_path: Path, style: str):
    """Line breaks, escape sequences and bidirectional marks in any text of any call are escapes in the log."""
    callers = write_callers(tmp_path, CALLERS)
    flags = ("--demo", "--callers", callers, "--log-format", style, "--log-level", "debug")
    with sidecar(tmp_path, *flags) as running:
        with grpc.insecure_channel(running.address) as channel:
            for number, path in enumerate(sorted(METHODS) * 2):
                _send(channel, number, path)
        assert running.stop() == 0
    # Not `splitlines`, which takes for ends of lines what no log reader does, and would hide them here.
    lines = (tmp_path / "serve.err").read_bytes().decode().split("\n")[:-1]
    assert len(lines) > 100
    for line in lines:
        plain = _COLOUR.sub("", line)
        assert [character for character in plain if unicodedata.category(character) in {"Cc", "Cf", "Zl", "Zp"}] == []
        if style == "json":
            assert json.loads(line)["event"] != "forged"
        else:
            assert re.match(r"\d{4}-\d\d-\d\dT", plain), line
