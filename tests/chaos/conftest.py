"""Fixtures: a world of recordings that can be put back, and what it has become."""

import json
import signal
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import psutil
import psycopg
import pytest
import sqlalchemy as sa

from local.postgres import PostgresServer
from stores.bucket.listing import list_objects
from tasks.resources import database, storage
from tests.support.cutting_proxy import CuttingProxy

# Differ from run to run: instants, identities, signatures and durations.
VOLATILE = {
    "analysis_duration_ms", "audio_url", "backfill_id", "check_id", "cpu_ms", "fingerprint",
    "first_xid", "hash", "hold_id", "id", "item_id", "owner", "position", "reason_sha256",
    "receipt", "reconciliation_id", "report", "run_id", "salt", "subject_sha256", "token",
}  # fmt: skip
# Each run adds its own row: compared as sets, without those of runs that did not finish.
RUNS = {"audio_ops.quality_check", "audio_ops.quality_result", "audio_ops.reconciliation"}
INSTANTS = {"timestamp without time zone", "timestamp with time zone"}
_PAST = "CASE WHEN leased_until IS NOT NULL THEN now() - interval '1 second' END"
_COLUMNS = """
SELECT c.table_schema, c.table_name, c.column_name, c.data_type, c.is_identity = 'YES'
FROM information_schema.columns AS c JOIN information_schema.tables AS t
    USING (table_schema, table_name)
WHERE c.table_schema IN ('public', 'audio_ops') AND t.table_type = 'BASE TABLE'
ORDER BY 1, 2, c.ordinal_position
"""


@dataclass
class World:
    """The test's database and bucket, with a copy of both."""

    postgres: PostgresServer
    url: str
    engine: sa.Engine

    def __post_init__(self):
        self.name = urlsplit(self.url).path[1:]
        self.copy = f"copy_of_{self.name}"

    def keep(self):
        """Copy both."""
        self._disconnect()
        self._administer(f"DROP DATABASE IF EXISTS {self.copy}")
        self._clone(self.name, self.copy)
        self.objects = dict(self._objects())

    def put_back(self):
        """Put both back as they were kept."""
        self._disconnect()
        self._administer(f"DROP DATABASE {self.name} WITH (FORCE)")
        self._clone(self.copy, self.name)
        bucket = storage.bucket()
        there = keys()
        for key in self.objects.keys() - there:
            bucket.client.put_object(Bucket=bucket.name, Key=key, Body=self.objects[key])
        for key in there - self.objects.keys():
            bucket.client.delete_object(Bucket=bucket.name, Key=key)

    def forget(self):
        self._administer(f"DROP DATABASE IF EXISTS {self.copy} WITH (FORCE)")

    def crash(self):
        """Kill Postgres as a power cut would, and start it again."""
        port = urlsplit(self.url).port
        server = psutil.Process(self.postgres.pid)
        server.send_signal(signal.SIGQUIT)  # immediate: no checkpoint, so it recovers when started
        server.wait(30)
        self.postgres.start(port)

    def _administer(self, statement):
        with psycopg.connect(self.postgres.url(), autocommit=True) as connection:
            connection.execute(statement)

    def _disconnect(self):
        self.engine.dispose()
        database.engine().dispose()

    def _clone(self, template, name):
        self._administer(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY WAL_LOG")

    def _objects(self):
        bucket = storage.bucket()
        for key in keys():
            yield key, bucket.client.get_object(Bucket=bucket.name, Key=key)["Body"].read()

    def state(self):
        """Return all rows and keys, without what differs from run to run."""
        found = {"bucket": sorted(keys())}
        with psycopg.connect(self.url) as connection:
            columns = {}
            for schema, table, *column in connection.execute(_COLUMNS).fetchall():
                columns.setdefault(f"{schema}.{table}", []).append(column)
            for table, described in columns.items():
                rows = connection.execute(f"SELECT to_jsonb(t) FROM {table} AS t").fetchall()
                if table in RUNS:
                    rows = [(row,) for (row,) in rows if row.get("finished_at", True)]
                plain = [json.dumps(_plain(row, described), sort_keys=True) for (row,) in rows]
                found[table] = sorted(set(plain) if table in RUNS else plain)
        return found

    @contextmanager
    def behind_proxy(self):
        """Let flows reach the database through a proxy that loses answers."""
        there = urlsplit(self.url)
        proxy = CuttingProxy(there.port)
        with pytest.MonkeyPatch.context() as patch:
            url = self.url.replace(f":{there.port}/", f":{proxy.port}/")
            patch.setenv("DATABASE_URL", url)
            yield proxy
        proxy.close()

    def one(self, query):
        """Return the only value of a query's result."""
        with psycopg.connect(self.url) as connection:
            return connection.execute(query).fetchone()[0]

    def end_leases(self):
        """Let all leases expire, as time does."""
        with psycopg.connect(self.url) as connection:
            for table in ("lease", "backfill_item"):
                connection.execute(f"UPDATE audio_ops.{table} SET leased_until = {_PAST}")


def keys():
    """Return the keys of all objects."""
    return {one.key for page in list_objects(storage.bucket(), "") for one in page}


def _plain(row, described):
    plain = {}
    for name, kind, is_identity in described:
        value = row[name]
        if is_identity or (name in VOLATILE and not (name == "id" and kind == "text")):
            continue
        plain[name] = value is not None if kind in INSTANTS else value
    return plain


@pytest.fixture
def put():
    """Upload an object; return its key."""

    def _put(key, data):
        bucket = storage.bucket()
        bucket.client.put_object(Bucket=bucket.name, Key=key, Body=data, ContentType="audio/pcm16")
        return key

    return _put


@pytest.fixture
def world(postgres, database_url, engine, stage):
    world = World(postgres, database_url, engine)
    yield world
    world.forget()
