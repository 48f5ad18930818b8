"""Look for known vulnerabilities in the locked packages: `python -m deployments.audit`.

It compares them with advisories.json, the advisories for these packages as of a date, and asks PyPI
for newer ones through pip-audit, which needs the network. To renew the list, clone PyPA's advisory
database (github.com/pypa/advisory-database) and run `python -m deployments.audit --renew CLONE`.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from packaging.utils import canonicalize_name
from packaging.version import Version

LOCK = Path(__file__).parents[1] / "requirements.lock"
ADVISORIES = Path(__file__).with_name("advisories.json")
# In an environment of its own: what pip-audit needs is not in our locks.
PIP_AUDIT = (str(Path(sys.executable).with_name("uv")), "tool", "run", "pip-audit==2.10.1")
_PINNED = re.compile(r"^([\w.-]+)==([^\s;]+)", re.MULTILINE)
_ASK_SECONDS = 300


class Advisory(NamedTuple):
    """A package is vulnerable from version `introduced` until before version `fixed`."""

    package: str
    id: str
    introduced: str
    fixed: str | None = None

    def covers(self, version: Version) -> bool:
        """Return whether this version is vulnerable."""
        fixed = self.fixed is not None and Version(self.fixed) <= version
        return Version(self.introduced) <= version and not fixed


class NotAnswered(Exception):
    """PyPI's advisories cannot be had from here."""


def pinned(lock: Path) -> list[tuple[str, str]]:
    """Return name and version of every locked package, those of other platforms included."""
    return [
        (canonicalize_name(name), version) for name, version in _PINNED.findall(lock.read_text())
    ]


def compare(packages: list[tuple[str, str]], advisories: list[Advisory]) -> Iterator[str]:
    """Yield a line for each package that an advisory covers."""
    for name, version in packages:
        for advisory in advisories:
            if advisory.package == name and advisory.covers(Version(version)):
                yield f"{name} {version}: {advisory.id}, fixed in {advisory.fixed or 'no version'}"


def ask(lock: Path, pip_audit: tuple[str, ...]) -> list[str]:
    """Return a line for each vulnerability that PyPI knows in the packages for this platform.

    Raises:
        NotAnswered: If it does not answer for every package.
    """
    command = [*pip_audit, "--requirement", str(lock), "--require-hashes", "--disable-pip"]
    options = ["--format", "json", "--progress-spinner", "off", "--timeout", "10"]
    try:
        done = subprocess.run(
            [*command, *options], capture_output=True, text=True, timeout=_ASK_SECONDS, check=False
        )
        answers: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (OSError, ValueError, subprocess.TimeoutExpired):
        raise NotAnswered from None
    # A mirror without advisories answers 404, which pip-audit reports as success.
    if any("skip_reason" in answer for answer in answers):
        raise NotAnswered
    return [
        f"{answer['name']} {answer['version']}: {found['id']}, fixed in"
        f" {', '.join(found['fix_versions']) or 'no version'}"
        for answer in answers
        for found in answer["vulns"]
    ]


def renew(clone: Path, lock: Path) -> dict[str, Any]:
    """Return the list for a lock from a clone of PyPA's advisory database."""
    head = ["git", "-C", str(clone), "log", "-1", "--format=%H %cs"]
    done = subprocess.run(head, capture_output=True, text=True, check=True)
    revision, date = done.stdout.split()
    names = sorted({name for name, _ in pinned(lock)})
    files = [path for name in names for path in sorted((clone / "vulns" / name).glob("*.yaml"))]
    return {
        "source": "github.com/pypa/advisory-database (CC BY 4.0), versions only",
        "revision": revision,
        "date": date,
        "advisories": [
            " ".join(filter(None, one))
            for path in files
            for one in _read(yaml.safe_load(path.read_text()))
        ],
    }


def _read(document: dict[str, Any]) -> Iterator[Advisory]:
    """Yield the ranges of one advisory in the OSV format."""
    if "withdrawn" in document:
        return
    for affected in document["affected"]:
        name = canonicalize_name(affected["package"]["name"])
        for span in affected.get("ranges", []):
            if span["type"] == "ECOSYSTEM":
                for introduced, fixed in _intervals(span["events"]):
                    yield Advisory(name, document["id"], introduced, fixed)


def _intervals(events: list[dict[str, str]]) -> Iterator[tuple[str, str | None]]:
    """Yield where each interval of vulnerable versions begins and ends."""
    begins = [event["introduced"] for event in events if "introduced" in event]
    ends = [event["fixed"] for event in events if "fixed" in event]
    for number, introduced in enumerate(begins):
        yield introduced, ends[number] if number < len(ends) else None


def main(arguments: list[str], pip_audit: tuple[str, ...] = PIP_AUDIT) -> int:
    """Print what is vulnerable and return 1 if anything is, or renew the list."""
    match arguments:
        case ["--renew", clone]:
            ADVISORIES.write_text(json.dumps(renew(Path(clone), LOCK), indent=1) + "\n")
            return 0
    packages = pinned(LOCK)
    kept = json.loads(ADVISORIES.read_text())
    found = list(compare(packages, [Advisory(*line.split()) for line in kept["advisories"]]))
    sys.stdout.write(f"{len(packages)} packages compared with the advisories of {kept['date']}.\n")
    try:
        found += ask(LOCK, pip_audit)
        sys.stdout.write("PyPI was asked for newer ones.\n")
    except NotAnswered:
        sys.stdout.write("NOT CHECKED against newer ones: PyPI's advisories are not available.\n")
    sys.stdout.writelines(f"Vulnerable: {line}\n" for line in sorted(set(found)))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
