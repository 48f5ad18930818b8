"""A disk that is full: a clear error, the earlier file as it was, and no half one."""

import os
import secrets
import subprocess
import sys
import threading
import time
from contextlib import suppress

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from local import ports
from local.postgres_home import server_account
from local.process import Service
from schema.errors.reporting import ReportsUnwritable
from stores.quality import data_docs
from stores.report_files import write_file
from tasks.costs import publication
from tasks.quality import check_quality
from tasks.resources import database
from tasks.resources.database import in_transaction

BIG = bytes(200_000)


@pytest.fixture
def small_disk(tmp_path):
    """A filesystem of 128 kB."""
    yield from _mounted(tmp_path / "small", "128k")


def _mounted(folder, size):
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0755", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a filesystem is not allowed here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def contents(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_report_that_does_not_fit_keeps_the_earlier_one(small_disk):
    write_file(small_disk / "by_tier.csv", b"before")
    with pytest.raises(OSError, match="No space left"):
        write_file(small_disk / "by_tier.csv", BIG)
    assert (small_disk / "by_tier.csv").read_bytes() == b"before"
    assert contents(small_disk) == {"by_tier.csv"}


def test_the_cost_report_says_that_the_disk_is_full(small_disk):
    publication._write(small_disk, {"stored.png": b"before"}, b"before")
    with pytest.raises(ReportsUnwritable, match="No space left"):
        publication._write(small_disk, {"stored.png": b"after", "big.png": BIG}, b"after")
    assert contents(small_disk) == {"costs/stored.png", "prometheus/kaiwa_audio_costs.prom"}
    assert (small_disk / "prometheus" / "kaiwa_audio_costs.prom").read_bytes() == b"before"


class Pages:
    """Stands for a validation: `pages` are what Great Expectations would render of it."""

    results = None


def test_data_docs_that_do_not_fit_keep_the_earlier_site(small_disk, monkeypatch, noon):
    monkeypatch.setenv("KAIWA_REPORTS_DIR", str(small_disk))
    monkeypatch.setattr(data_docs, "_pages", lambda *_: [("index.html", "before")])
    check_quality._write_data_docs(Pages, noon)
    pages = [("index.html", "after"), ("messages.html", BIG.decode())]
    monkeypatch.setattr(data_docs, "_pages", lambda *_: pages)
    with pytest.raises(ReportsUnwritable, match="No space left"):
        check_quality._write_data_docs(Pages, noon)
    assert contents(small_disk) == {"data-docs/index.html"}
    assert (small_disk / "data-docs" / "index.html").read_text() == "before"


def test_the_local_stack_remembers_its_ports(small_disk):
    memory = small_disk / "ports.json"
    chosen = ports.choose_ports(["prefect"], memory)
    fill(small_disk)
    with pytest.raises(OSError, match="No space left"):
        ports.choose_ports(["prefect", "postgres"], memory)
    assert ports.choose_ports(["prefect"], small_disk.parent / "elsewhere.json")
    (small_disk / "filler").unlink()
    assert ports.choose_ports(["prefect"], memory) == chosen


def test_a_process_that_cannot_be_recorded_has_no_half_record(small_disk):
    service = Service("sleeper", small_disk)
    (small_disk / "run").mkdir()
    (small_disk / "logs").mkdir()
    (small_disk / "logs" / "sleeper.log").touch()
    fill(small_disk)
    with pytest.raises(OSError, match="No space left"):
        service.start([sys.executable, "-c", "import time; time.sleep(30)"], dict(os.environ))
    assert service.process() is None
    assert not list((small_disk / "run").iterdir())


def fill(folder):
    with (folder / "filler").open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass


# What killed processes left


def test_what_a_killed_run_left_is_removed_a_day_later(tmp_path):
    for name, days in ((".by_tier.csv.abc", 2), (".by_tier.csv.def", 0.5), (".other.csv.abc", 2)):
        path = tmp_path / name
        path.write_bytes(b"half")
        then = time.time() - days * 86_400
        os.utime(path, (then, then))
    write_file(tmp_path / "by_tier.csv", b"whole")
    assert contents(tmp_path) == {"by_tier.csv", ".by_tier.csv.def", ".other.csv.abc"}


# Postgres


@pytest.fixture
def tight_tablespace(postgres, administrator):
    """A tablespace of a few MB, on a filesystem of its own; yields its name and folder."""
    name = f"tight_{secrets.token_hex(4)}"
    mounted = _mounted(postgres.folder / name, "4m")
    folder = next(mounted)
    location = folder / "space"
    location.mkdir()
    if account := server_account():
        os.chown(location, account.pw_uid, account.pw_gid)
    administrator.execute(f"CREATE TABLESPACE {name} LOCATION '{location}'")
    yield name, folder
    administrator.execute(f"DROP TABLESPACE {name}")
    for _ in mounted:
        pass


@pytest.mark.usefixtures("stage")
def test_a_full_disk_of_postgres_is_waited_for_and_then_named(
    tight_tablespace, database_url, monkeypatch
):
    name, folder = tight_tablespace
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"CREATE TABLE filled (text text) TABLESPACE {name}")

    def insert(connection):
        connection.execute(
            sa.text("INSERT INTO filled SELECT md5(n::text) FROM generate_series(1, 20000) AS n")
        )

    (folder / "other").write_bytes(bytes(3 * 2**20))
    with monkeypatch.context() as patch:
        patch.setattr(database, "DATABASE_PATIENCE_SECONDS", 0.0)
        with pytest.raises(OperationalError, match=r"(?i)no space left"):
            in_transaction(insert)
    freed = threading.Timer(1.0, (folder / "other").unlink)
    freed.start()
    in_transaction(insert)
    assert in_transaction(lambda c: c.scalar(sa.text("SELECT count(*) FROM filled"))) == 20_000
    in_transaction(lambda c: c.execute(sa.text("DROP TABLE filled")) and None)
