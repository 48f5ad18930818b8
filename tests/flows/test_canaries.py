"""Secrets, signatures and what people wrote: in none of Prefect's records, logs, reports or state.

Every flow runs against a Prefect server of its own that keeps logs, most of them in several ways
that fail: database down, bucket refused, rows refused with the row in the database's answer.
Afterwards every column of the server's database and every file of both sides is searched.
"""

import base64
import logging
import sqlite3
import time
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlsplit

import pytest
import sqlalchemy as sa
from prefect import tags
from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_URL,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    PREFECT_HOME,
    PREFECT_LOGGING_TO_API_ENABLED,
    temporary_settings,
)
from pydantic import SecretStr

from deployments import automations
from flows.analyze_messages import analyze_messages
from flows.backfill_analysis import backfill_analysis
from flows.check_quality import check_quality
from flows.erase_learner import erase_learner
from flows.export_findings import export_findings
from flows.measure_costs import measure_costs
from flows.place_legal_hold import place_legal_hold
from flows.reconcile_bucket import reconcile_bucket
from flows.refresh_signed_urls import refresh_signed_urls
from flows.release_legal_hold import release_legal_hold
from flows.sweep_retention import sweep_retention
from flows.undo_backfill import undo_backfill
from flows.work_on_backfill import work_on_backfill
from local.demo.deployment_run import client_of
from local.ports import choose_ports
from local.prefect import PrefectServer
from tasks.resources import database, storage
from tests.support.listening import listening

pytestmark = [pytest.mark.flow, pytest.mark.slow, pytest.mark.timeout(500)]

TEXT = "we went to the canarymarket"
REASON = "canaryreason by phone"
NAME = "Canaryname"
TOKEN = "canarytokenofthewebhook"
# What refuses every row with the row in its message, as a check or an index of the app's would.
REFUSE = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION 'refused' USING ERRCODE = '23514', DETAIL = 'Failing row: ' || NEW::text;
END $$;
CREATE TRIGGER refuse BEFORE UPDATE ON messages FOR EACH ROW EXECUTE FUNCTION refuse();
CREATE TRIGGER refuse BEFORE INSERT ON message_audio_analysis
    FOR EACH ROW EXECUTE FUNCTION refuse();
"""


@pytest.fixture
def prefect(tmp_path):
    """A server that keeps logs, and this process as its client."""
    server = PrefectServer(tmp_path)
    address = server.start(choose_ports(["prefect"], tmp_path / "ports.json")["prefect"])
    settings = {
        PREFECT_API_URL: address.api_url,
        PREFECT_API_AUTH_STRING: address.password.get_secret_value(),
        PREFECT_HOME: tmp_path / "client",
        PREFECT_LOGGING_TO_API_ENABLED: True,
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,
    }
    with temporary_settings(settings):
        yield address
        EventsWorker.drain_all()
    server.stop()


@pytest.fixture
def learner(add_user, add_subscription):
    user_id = add_user(display_name=NAME)
    add_subscription(user_id)
    return user_id


def everything(learner, message_id):
    return [
        lambda: analyze_messages(workers=1),
        lambda: refresh_signed_urls(message_id=message_id),
        measure_costs,
        lambda: check_quality(scope="everything"),
        lambda: reconcile_bucket(repair=True),
        lambda: export_findings(dry_run=False),
        lambda: backfill_analysis(REASON),
        lambda: backfill_analysis(REASON, dry_run=False, selection="all", canary_size=0),
        lambda: work_on_backfill(1),
        lambda: undo_backfill(1, REASON, dry_run=False),
        lambda: place_legal_hold("message", message_id, REASON, NAME),
        lambda: erase_learner(learner, REASON, dry_run=False),  # held
        lambda: release_legal_hold(1, NAME),
        lambda: erase_learner("canarylearner", REASON),  # no id
    ]


def those_that_write(learner):
    return [
        lambda: analyze_messages(workers=1),
        refresh_signed_urls,
        lambda: sweep_retention(dry_run=False, max_share_percent=100),
        lambda: erase_learner(learner, REASON, dry_run=False),
    ]


def run(flows):
    """Run flows; those that cannot work fail."""
    for flow in flows:
        with suppress(Exception):
            flow()


def searched(folder):
    """Yield where something is kept, and what, for the server's database and every file."""
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink() and path.name not in OWN_FILES:
            yield str(path.relative_to(folder)), path.read_bytes()
    with closing(sqlite3.connect(folder / "prefect" / "prefect.db")) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        for (table,) in tables.fetchall():
            cursor = connection.execute(f'SELECT * FROM "{table}"')
            columns = [column[0] for column in cursor.description]
            for row in cursor:
                for column, value in zip(columns, row, strict=True):
                    yield f"{table}.{column}", str(value).encode()


# The password's own file; the database is searched by column.
OWN_FILES = {"password", "prefect.db", "prefect.db-wal", "prefect.db-shm"}
# Where a person's reason and name belong: in what they entered, and in the list of holds.
OF_PEOPLE = {"flow_run.parameters", "flow_run_input.value", "artifact.data"}


def forms(secret):
    """Return the ways in which a secret may be written."""
    return {secret.encode(), quote(secret).encode(), base64.b64encode(secret.encode())}


def test_no_secret_signature_or_text_is_kept_or_shown(
    prefect, learner, upload, add_conversation, engine, database_url, s3_address, monkeypatch,
    tmp_path, caplog, capfd,
):  # fmt: skip
    reports = tmp_path / "reports"
    monkeypatch.setenv("KAIWA_REPORTS_DIR", str(reports))
    monkeypatch.setattr("tasks.resources.database.DATABASE_PATIENCE_SECONDS", 0.1)
    caplog.set_level(logging.INFO)  # below that, Prefect's own clients show what they send
    conversation = add_conversation(user_id=learner)
    old = datetime.now(UTC) - timedelta(days=400)
    ids = [
        upload(TEXT, conversation_id=conversation),
        upload(f"{TEXT} and not what is said at all", conversation_id=conversation),
        upload(TEXT, audio=b"no recording", conversation_id=conversation),
        upload(TEXT, conversation_id=conversation, audio_retention_expires_at=old),
    ]
    storage.bucket().put("audio/u/c/stray.wav", b"x", "audio/wav")

    with client_of(prefect) as client, listening() as person, tags(automations.TAG):
        person.answer = lambda: 500
        described = automations.automations()
        automations.apply(client, described, SecretStr(f"{person.url}/{TOKEN}"))
        run(everything(learner, ids[0]))
        refuse_everything(engine)
        run(those_that_write(learner))
        spoil_bucket(monkeypatch)
        run(those_that_write(learner))
        down = spoil_database(monkeypatch, database_url)
        run(those_that_write(learner))
        for url in ("canary://nonsense:canarynonsense@x", "postgresql://a:canarynonsense@[/b"):
            spoil_database(monkeypatch, url)
            run([measure_costs])
        EventsWorker.drain_all()
        APILogWorker.drain_all()
        deadline = time.monotonic() + 90
        while not person.posts and time.monotonic() < deadline:
            time.sleep(0.2)
        posted = b" ".join(body for _, body in person.posts)
        logs = client.read_logs()
        assert len(logs) > 20
        assert {run.state.type.value for run in client.read_flow_runs()} >= {"COMPLETED", "FAILED"}

    output = capfd.readouterr()
    secrets = {
        "database password": urlsplit(database_url).password,
        "password of a database that is down": urlsplit(down).password,
        "password of a URL that is none": "canarynonsense",
        "secret key": s3_address.secret_access_key.get_secret_value(),
        "wrong secret key": "canarywrongkey",
        "Prefect's password": prefect.password.get_secret_value(),
        "webhook": TOKEN,
        "signature": "X-Amz-Signature=",
        "text": "canarymarket",
    }
    people = {"reason": "canaryreason", "name": NAME}
    found = {
        "log lines": caplog.text.encode(), "output": (output.out + output.err).encode(),
        "alerts": posted,
    }  # fmt: skip
    leaks = []
    for where, content in [*found.items(), *searched(tmp_path)]:
        for name, secret in (secrets | people).items():
            if name in people and (where in OF_PEOPLE or where.startswith("events")):
                continue
            if any(form in content for form in forms(secret)):
                leaks.append((name, where))
    assert not leaks
    assert posted, "no alert was posted"


def refuse_everything(engine):
    with engine.begin() as connection:
        connection.execute(sa.text(REFUSE))


def spoil_bucket(monkeypatch):
    """Use a key that the bucket refuses."""
    monkeypatch.setenv("TIGRIS_SECRET_ACCESS_KEY", "canarywrongkey")
    for cached in (storage.bucket, storage.signer, storage.objects_address):
        cached.cache_clear()


def spoil_database(monkeypatch, url):
    """Use a database that is down; return its URL."""
    if url.startswith("postgresql://postgres"):
        url = f"postgresql://canary:canarypassword@127.0.0.1:9/{urlsplit(url).path[1:]}"
    monkeypatch.setenv("DATABASE_URL", url)
    database.engine.cache_clear()
    return url
