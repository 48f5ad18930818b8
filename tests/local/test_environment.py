import sys
from pathlib import Path

from local.environment import child_environment


def test_nothing_of_an_odd_environment_gets_through(tmp_path, monkeypatch):
    odd = ("HTTP_PROXY", "https_proxy", "PREFECT_API_URL", "AWS_PROFILE", "PYTHONPATH", "PGHOST")
    for name in odd:
        monkeypatch.setenv(name, "not-for-children")
    monkeypatch.setenv("HOME", "/not-for-children")
    assert "not-for-children" not in " ".join(child_environment(tmp_path).values())


def test_an_empty_environment_will_do(tmp_path, monkeypatch):
    for name in ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH"):
        monkeypatch.delenv(name, raising=False)
    environment = child_environment(tmp_path)
    assert environment["PATH"].split(":")[0] == str(Path(sys.executable).parent)
    assert Path(environment["HOME"]).is_dir()
    assert Path(environment["HOME"]).is_relative_to(tmp_path)


def test_what_the_interpreter_needs_gets_through(tmp_path, monkeypatch):
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/python/lib")
    assert child_environment(tmp_path)["LD_LIBRARY_PATH"] == "/opt/python/lib"


def test_given_variables_are_added(tmp_path):
    assert child_environment(tmp_path, A="1")["A"] == "1"
