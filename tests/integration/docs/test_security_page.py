"""docs/security.md, run."""

from __future__ import annotations

import re
import socket

from sidegate.bootstrap.callers import load_caller_file
from sidegate.server.access.requirements import REQUIREMENTS
from support.pages import page, run_page
from support.servers.callers import write_callers

PAGE = page("security.md")


def free_port() -> int:
    """Return a port that no program listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def test_the_page_is_as_shown(tmp_path):
    """Each command of the page prints what the page shows: with keys, with certificates and with signed tokens."""
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "issuer.py").write_text(program)
    shown, printed = run_page(PAGE.replace("127.0.0.1:8443", f"127.0.0.1:{free_port()}"), tmp_path)
    assert len(shown) > 30
    assert printed == shown


def test_the_table_of_rights_is_the_table_of_methods():
    """Each right is listed with exactly the methods that need it."""
    rows = re.findall(r"^\| `([a-z.]+)` \| ([A-Z]\w+(?:, \w+)*) \|$", PAGE, re.MULTILINE)
    listed = {(right, method) for right, methods in rows for method in methods.split(", ")}
    assert listed == {(needed.right, name.rpartition("/")[2]) for name, needed in REQUIREMENTS.items()}


def test_the_example_of_a_caller_file_is_right(tmp_path):
    """It loads as it is, but for the shortened digest."""
    (example,) = [block for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if block.startswith("callers:")]
    path = write_callers(tmp_path, re.sub(r'sha256: "[^"]*"', f'sha256: "{"0" * 64}"', example))
    assert [caller.name for caller, _ in load_caller_file(path).callers] == ["orders-service", "backend-of-unix-socket"]
