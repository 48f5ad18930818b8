import json
import subprocess
import sys

import pytest

from deployments import audit
from deployments.audit import Advisory, NotAnswered

LOCK = """
jinja2==2.11.2 ; python_version < '3.13' \\
    --hash=sha256:00
    # via nothing
Zope_Interface==5.0 \\
    --hash=sha256:00
"""
OSV = """
id: PYSEC-2021-66
affected:
- package: {name: jinja2, ecosystem: PyPI}
  ranges:
  - type: GIT
    events: [{introduced: '0'}, {fixed: abcdef}]
  - type: ECOSYSTEM
    events: [{introduced: '0'}, {fixed: 2.11.3}, {introduced: 3.0.0}]
"""
FOUND = {"id": "PYSEC-1", "fix_versions": ["2.11.3"]}


@pytest.fixture
def lock(tmp_path):
    path = tmp_path / "requirements.lock"
    path.write_text(LOCK)
    return path


def answering(*answers):
    """Return a command that answers as pip-audit does."""
    return (sys.executable, "-c", f"print({json.dumps({'dependencies': answers})!r})")


def test_every_locked_package_is_read_under_its_normal_name(lock):
    assert audit.pinned(lock) == [("jinja2", "2.11.2"), ("zope-interface", "5.0")]


@pytest.mark.parametrize(
    ("version", "vulnerable"),
    [("2.9", False), ("2.10", True), ("2.11.2", True), ("2.11.3rc1", True), ("2.11.3", False)],
)
def test_a_version_is_vulnerable_until_before_the_one_that_fixes_it(version, vulnerable):
    advisory = Advisory("jinja2", "PYSEC-1", "2.10", "2.11.3")
    assert bool(list(audit.compare([("jinja2", version)], [advisory]))) is vulnerable


def test_without_a_fix_every_later_version_is_vulnerable():
    advisory = Advisory("jinja2", "PYSEC-1", "3.0")
    assert list(audit.compare([("jinja2", "99"), ("other", "99")], [advisory])) == [
        "jinja2 99: PYSEC-1, fixed in no version"
    ]


def test_what_pypi_knows_is_reported(lock):
    answer = {"name": "jinja2", "version": "2.11.2", "vulns": [FOUND]}
    assert audit.ask(lock, answering(answer)) == ["jinja2 2.11.2: PYSEC-1, fixed in 2.11.3"]


@pytest.mark.parametrize(
    "command",
    [
        answering({"name": "a", "skip_reason": "Dependency not found on PyPI"}),  # exits with 0
        (sys.executable, "-c", "raise SystemExit('ConnectionError')"),
        ("/does/not/exist",),
    ],
    ids=["mirror-without-advisories", "no-network", "no-uv"],
)
def test_no_answer_is_never_taken_for_no_vulnerability(lock, command):
    with pytest.raises(NotAnswered):
        audit.ask(lock, command)


def test_the_list_is_renewed_from_a_clone(lock, tmp_path):
    clone = tmp_path / "clone"
    vulns = clone / "vulns" / "jinja2"
    vulns.mkdir(parents=True)
    (vulns / "PYSEC-2021-66.yaml").write_text(OSV)
    (vulns / "PYSEC-2021-67.yaml").write_text(f"{OSV}withdrawn: 2021-01-01")
    for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", "a"]):
        who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        subprocess.run(["git", "-C", clone, *who, *command], check=True)
    renewed = audit.renew(clone, lock)
    assert renewed["advisories"] == ["jinja2 PYSEC-2021-66 0 2.11.3", "jinja2 PYSEC-2021-66 3.0.0"]
    assert len(renewed["revision"]) == 40


def test_a_vulnerable_lock_fails_even_without_the_network(lock, tmp_path, monkeypatch, capsys):
    kept = tmp_path / "advisories.json"
    kept.write_text(json.dumps({"date": "2024-10-10", "advisories": ["jinja2 PYSEC-1 0 2.11.3"]}))
    monkeypatch.setattr(audit, "LOCK", lock)
    monkeypatch.setattr(audit, "ADVISORIES", kept)
    assert audit.main([], pip_audit=("/does/not/exist",)) == 1
    output = capsys.readouterr().out
    assert "NOT CHECKED" in output
    assert "Vulnerable: jinja2 2.11.2: PYSEC-1, fixed in 2.11.3" in output
