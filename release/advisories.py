"""Looks every locked package up in a database of advisories: `make advisories`, or with lock files as arguments.

pip-audit does the look-up. It passes over what it can't find and calls that success; here it is a failure, and so are
packages that are locked for another platform than this one and would not be looked at.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

VULNERABLE: Final = 1
UNCHECKED: Final = 2
_PIN: Final = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(\[[^\]]*\])?==(?P<version>[^\s;\\]+)")
_LOCKS: Final = Path(__file__).parent.parent / "requirements"

Pin = tuple[str, str]
"""A package, by its normalised name, and its version."""


def pins(text: str) -> set[Pin]:
    """Return the packages of a lock file, those for other platforms included.

    Raises:
        ValueError: a line names no package with its version.
    """
    found: set[Pin] = set()
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith(("#", "--hash=")):
            continue
        pin = _PIN.match(line)
        if pin is None:
            raise ValueError(f"`{line.strip()}` names no package with its version")
        found.add((_normalised(pin["name"]), pin["version"]))
    return found


def vulnerable(report: Any) -> Iterator[str]:
    """Yield a line for each advisory of a report about a package."""
    for package in report["dependencies"]:
        for advisory in package.get("vulns", ()):
            fixed = ", ".join(advisory["fix_versions"]) or "no version"
            yield f"{package['name']} {package['version']}: {advisory['id']}, fixed in {fixed}"


def unchecked(wanted: Iterable[Pin], report: Any) -> Iterator[str]:
    """Yield a line for each package that a report does not say anything about."""
    checked, reasons = set(), {}
    for package in report["dependencies"]:
        name = _normalised(package["name"])
        if "vulns" in package:
            checked.add((name, package["version"]))
        else:
            reasons[name] = package.get("skip_reason", "")
    for name, version in sorted({*wanted} - checked):
        yield f"{name} {version}: {reasons.get(name) or 'the report does not name it'}"


def audited(wanted: Iterable[Pin]) -> Any:
    """Return pip-audit's report about packages.

    Raises:
        ValueError: it made none.
    """
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "packages.txt"
        file.write_text("".join(f"{name}=={version}\n" for name, version in sorted(wanted)), encoding="utf-8")
        flags = ["--format", "json", "--no-deps", "--disable-pip", "--progress-spinner", "off"]
        done = subprocess.run(
            [sys.executable, "-m", "pip_audit", *flags, "--requirement", file],
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
    try:
        return json.loads(done.stdout)
    except ValueError:
        last = (done.stderr.strip().splitlines() or ["it printed nothing"])[-1]
        raise ValueError(f"pip-audit made no report: {last}") from None


def main(locks: list[Path]) -> int:
    """Check lock files; return the exit code: 1 where a package has an advisory, 2 where one could not be checked."""
    code = 0
    for lock in locks:
        try:
            wanted = pins(lock.read_text(encoding="utf-8"))
            report = audited(wanted)
        except (OSError, ValueError) as error:
            print(f"{lock.name}: could not be checked: {error}")
            code = max(code, UNCHECKED)
            continue
        advisories, missing = [*vulnerable(report)], [*unchecked(wanted, report)]
        print(f"{lock.name}: {len(wanted)} packages, {len(advisories)} advisories, {len(missing)} not checked")
        for line in advisories:
            print(f"  advisory: {line}")
        for line in missing:
            print(f"  not checked: {line}")
        code = max(code, VULNERABLE if advisories else 0, UNCHECKED if missing else 0)
    return code


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    sys.exit(main([Path(name) for name in sys.argv[1:]] or sorted(_LOCKS.glob("*.lock"))))
