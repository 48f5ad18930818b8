"""Report files are complete or absent, and readable by others."""

import os
import stat

import pytest

from stores.report_files import write_file


@pytest.fixture
def private_umask():
    before = os.umask(0o077)
    yield
    os.umask(before)


def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path):
    path = tmp_path / "costs" / "by_tier.csv"
    write_file(path, b"long before")
    write_file(path, b"now")
    assert path.read_bytes() == b"now"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.usefixtures("private_umask")
def test_other_users_can_read_it_whatever_the_umask(tmp_path):
    path = tmp_path / "reports" / "prometheus" / "costs.prom"
    write_file(path, b"")
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    for folder in (path.parent, path.parent.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o755


def test_a_folder_that_stands_keeps_its_mode(tmp_path):
    tmp_path.chmod(0o750)
    write_file(tmp_path / "file", b"")
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o750


def test_a_failed_write_keeps_the_earlier_file_and_leaves_no_part(tmp_path, monkeypatch):
    path = tmp_path / "by_tier.csv"
    write_file(path, b"before")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fchmod", fail)
    with pytest.raises(OSError, match="No space"):
        write_file(path, b"after")
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_a_file_is_an_error(tmp_path):
    (tmp_path / "reports").write_text("")
    with pytest.raises(OSError, match="reports"):
        write_file(tmp_path / "reports" / "costs" / "file", b"")
