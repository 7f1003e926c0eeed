"""docs/events.md, run: its commands, and its mailer where servers come and go."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from support.pages import page, shown_and_printed
from support.servers.cli import environment, sidecar, sidegate
from support.servers.ports import reserved_port

PAGE = page("events.md")


def mailer(directory: Path) -> Path:
    """Write the example as a file."""
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    written = directory / "mailer.py"
    written.write_text(program)
    return written


def test_the_page_is_as_shown(tmp_path):
    """Each command of the page prints what the page shows, the mailer among them."""
    mailer(tmp_path)
    shown, printed = shown_and_printed(PAGE, tmp_path)
    assert len(shown) > 10
    assert printed == shown


def test_the_mailer_leaves_nobody_out(tmp_path):
    """MS-02: over killed servers and killed mailers everyone who is invited gets a link that works."""
    invited = [f"m{number}@acme.example" for number in range(8)]
    mails: dict[str, str] = {}
    address = f"127.0.0.1:{reserved_port()}"
    with sidecar(tmp_path, "--drain", "0", listen=address) as running:
        run(address, "tenant", "create", "ann", "--tenant", "acme", "--pack", "standard")
        with started(mailer(tmp_path), address) as first:
            run(address, "member", "invite", "; ".join(invited[:4]), "--tenant", "acme")
            until_mailed(first, 2, mails)
            running.process.kill()
            running.process.wait()
            with sidecar(tmp_path, "--drain", "0", listen=address):
                until_mailed(first, 4, mails)
                first.kill()
                run(address, "member", "invite", "; ".join(invited[4:]), "--tenant", "acme")
                with started(tmp_path / "mailer.py", address) as second:
                    until_mailed(second, 8, mails)
                    second.kill()
                assert sorted(mails) == invited
                for token in mails.values():
                    run(address, "member", "accept", "--name", "Somebody", "--tenant", "acme", token)


def run(address: str, *words: str) -> None:
    done = sidegate(*words, "--address", address)
    assert done.code == 0, done.err


def started(program: Path, address: str) -> subprocess.Popen[str]:
    variables = environment(SIDEGATE_ADDRESS=address)
    return subprocess.Popen(
        [sys.executable, program], stdout=subprocess.PIPE, text=True, env=variables, cwd=program.parent
    )


def until_mailed(process: subprocess.Popen[str], count: int, mails: dict[str, str]) -> None:
    """Read what a mailer sends until so many have got an e-mail; `mails` holds the newest token of each."""
    while len(mails) < count:
        address, token = re.fullmatch(r"to (\S+): join us at \S+token=(\S+)\n", process.stdout.readline()).groups()
        mails[address] = token
