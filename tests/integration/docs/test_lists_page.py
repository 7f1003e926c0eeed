"""docs/lists.md, run."""

import re
import textwrap
from typing import Any

from sidegate.authz.v1 import authorization_pb2 as pb
from sidegate.authz.v1.authorization_pb2_grpc import AuthorizationServiceStub
from sidegate.decision.search import search
from sidegate.server.wire.tokens import pages
from support.decisions.deciding import apply, deciding
from support.pages import page, shown_and_printed
from support.servers.sidecar import channel, serving

PAGE = page("lists.md")


def test_the_page_is_as_shown(tmp_path):
    """Each command of the page prints what the page shows."""
    shown, printed = shown_and_printed(PAGE, tmp_path)
    assert len(shown) > 12
    assert printed == shown


async def test_the_loop_of_an_application_shows_all(tmp_path, monkeypatch):
    """The loop that the page shows reads to the end, whether pages are full or end early."""
    monkeypatch.setattr(pages, "DEFAULT_PAGE", 2)
    monkeypatch.setattr(search, "SECONDS", 0.0)
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (facts,) = re.findall(r"> acme.yaml <<'END'\n(.*?)^> END$", PAGE, re.DOTALL | re.MULTILINE)
    names: dict[str, Any] = dict(vars(pb))
    exec("async def run(authorization, show):\n" + textwrap.indent(program, "    "), names)
    shown: list[str] = []
    async with deciding(tmp_path / "facts.db") as core:
        await apply(core, re.sub("^> ", "", facts, flags=re.MULTILINE))
        async with serving(core.decider, search=core.search) as server, channel(server) as wire:
            await names["run"](AuthorizationServiceStub(wire), lambda found: shown.extend(one.id for one in found))
    assert shown == ["d1", "d2", "d4"]
