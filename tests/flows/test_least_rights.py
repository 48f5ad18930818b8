"""`deployments/grants.sql` gives the flows' role every column right that it needs, and no other."""

from datetime import timedelta

import psycopg
import pytest
import sqlalchemy as sa
from psycopg.errors import InsufficientPrivilege
from sqlalchemy import event

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
from schema import clock
from schema.states import CheckScope, HoldScope
from stores.analysis import analyses
from tasks.message_url import refresh_url
from tasks.resources import storage
from tests.support.backfilling import analysis
from tests.support.faulty_bucket import refused
from tests.support.recordings import SENTENCES, flac_of

pytestmark = [pytest.mark.flow, pytest.mark.usefixtures("prefect_server", "stage")]

COLUMN_RIGHTS = """
SELECT g.privilege_type, CAST(CAST(c.oid AS regclass) AS text), quote_ident(a.attname)
FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
CROSS JOIN LATERAL aclexplode(a.attacl) AS g
WHERE g.grantee = CAST('kaiwa_audio' AS regrole)
ORDER BY c.relname, g.privilege_type, a.attnum
"""


@pytest.fixture
def statements():
    """Collect the statements of the flows' login, each with its last parameters."""
    sent = {}

    def note(connection, _cursor, statement, parameters, _context, executemany):
        if connection.engine.url.username == "batch_login":
            sent[statement] = parameters[0] if executemany and parameters else parameters

    event.listen(sa.Engine, "before_cursor_execute", note)
    yield sent
    event.remove(sa.Engine, "before_cursor_execute", note)


@pytest.fixture
def later(monkeypatch):
    """Let a reconciliation run as of a month later, since a test cannot upload an old object."""
    monkeypatch.setattr(
        "flows.reconcile_bucket.utc_now", lambda: clock.utc_now() + timedelta(days=30)
    )
    monkeypatch.setattr("flows.reconcile_bucket.check_clocks", lambda _: None)


@pytest.fixture
def analysed(upload, engine):
    """Upload a recording that an older engine analysed."""

    def _analysed():
        message_id = upload(SENTENCES[0], audio_processing_state="analyzed", pronunciation_score=60)
        with engine.begin() as connection:
            analyses.create(connection, analysis(message_id, 60))

    return _analysed


@pytest.fixture
def do_everything(
    record,
    upload,
    analysed,
    add_orphan,
    add_user,
    add_conversation,
    add_message,
    faulty_bucket,
    later,
):
    """Run every flow with something to do."""

    def _do_everything():
        analysed()
        yield backfill_analysis(
            "a better engine", dry_run=False, max_mean_shift=100.0, return_state=True
        )
        yield undo_backfill(1, "worse", dry_run=False, return_state=True)
        upload(SENTENCES[1])
        yield analyze_messages(return_state=True)
        learner = add_user()
        conversation = add_conversation(user_id=learner)
        stray = f"audio/{learner}/{conversation}/stray_1760000000000.wav"
        storage.bucket().put(stray, flac_of(SENTENCES[2]), "audio/pcm16")
        storage.bucket().put("audio/nobody/1.wav", b"sound", "audio/wav")
        add_message(id="stray", conversation_id=conversation, audio_storage_key=None)
        record(conversation=conversation, due_for=-timedelta(days=60))
        yield reconcile_bucket(repair=True, return_state=True)
        placed = place_legal_hold(HoldScope.USER, str(learner), "case 7", "Mori")
        release_legal_hold(placed.hold_id, "Sato")
        record(audio_url=None, due_for=-timedelta(days=60))
        yield refresh_signed_urls(return_state=True)
        refresh_url("stray", as_of=clock.utc_now())
        yield check_quality(scope=CheckScope.EVERYTHING, return_state=True)
        yield measure_costs(return_state=True)
        yield export_findings(dry_run=False, return_state=True)
        record()
        record(audio_retention_expires_at=None)
        faulty_bucket.on("DeleteObjects", refused({add_orphan("orphan")}))
        yield sweep_retention(dry_run=False, max_share_percent=100, return_state=True)
        yield erase_learner(learner, "request 7", dry_run=False, return_state=True)

    return _do_everything


def test_each_granted_column_right_is_needed_by_a_statement_of_a_flow(
    statements, do_everything, database_url
):
    states = list(do_everything())
    assert len(states) == 10
    assert "permission denied" not in str([state.message for state in states])
    with psycopg.connect(database_url) as owner:
        rights = owner.execute(COLUMN_RIGHTS).fetchall()
        assert len(rights) > 50
        assert [right for right in rights if not _is_needed(owner, right, statements)] == []


def _is_needed(owner, right, statements):
    """Whether any of the statements is denied once this right is revoked."""
    privilege, table, column = right
    owner.execute("ROLLBACK")
    owner.execute(f"REVOKE {privilege} ({column}) ON {table} FROM kaiwa_audio")
    owner.execute("SET LOCAL ROLE kaiwa_audio")
    named = table.rpartition(".")[2]
    return any(
        _is_denied(owner, statement, parameters)
        for statement, parameters in statements.items()
        if named in statement
        and statement.lstrip().startswith(("SELECT", "WITH", "INSERT", "UPDATE", "DELETE"))
    )


def _is_denied(owner, statement, parameters):
    owner.execute("SAVEPOINT attempt")
    try:
        owner.execute(f"EXPLAIN {statement}", parameters)
    except InsufficientPrivilege:
        return True
    except psycopg.Error:  # it cannot be explained, such as one on a temporary table
        return False
    finally:
        owner.execute("ROLLBACK TO attempt")
    return False
