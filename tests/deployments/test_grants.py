from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DatabaseError, ProgrammingError

from migrations import run
from schema.documents import AnalysisRecord
from schema.errors.reporting import FindingsDenied
from schema.facts.analysis import MessageRetry
from schema.facts.backfill import BackfillRequest, FinishedItem
from schema.facts.bucket import Adoption, ObjectFacts
from schema.facts.deletion import IntendedDeletion
from schema.facts.findings import Feature, Finding, FindingText
from schema.facts.quality import BrokenRule
from schema.states import (
    BackfillOutcome,
    BackfillSelection,
    CheckScope,
    DeletionReason,
    DeletionState,
    FindingKind,
    HoldScope,
)
from stores import database, findings, signed_urls
from stores.analysis import analyses, leases, messages
from stores.backfill import backfills, freezing, outcomes, selection, undo
from stores.backfill import leases as backfill_leases
from stores.deletion import (
    erasure,
    hold_history,
    holds,
    learner_messages,
    ledger,
    orphan_queue,
)
from stores.quality import checked_rows, checks, quarantine
from stores.quality.rules.catalogue import RULES
from stores.reconciliation import comparison, inventory, stray_objects
from tasks.resources import database as database_resources
from tasks.runtime.app_objects import mend_app_objects
from tasks.sweep.sweep_retention import set_missing_expiries
from tests.support.backfilling import RELEASE, analysis
from tests.support.granting import GRANTS
from tests.support.quality import FACTS


@pytest.fixture
def batch(engine, database_url):
    """An engine with only the batch's rights."""
    with engine.begin() as owner:
        for _ in range(2):  # it is idempotent
            owner.exec_driver_sql(GRANTS)
        owner.exec_driver_sql(
            "DROP ROLE IF EXISTS batch_login;"
            "CREATE ROLE batch_login LOGIN PASSWORD 'batch' IN ROLE kaiwa_audio"
        )
    login = sa.make_url(database_url).set(username="batch_login", password="batch")
    batch = database.connect(login.render_as_string(hide_password=False))
    yield batch
    batch.dispose()
    with engine.begin() as owner:
        owner.exec_driver_sql("DROP ROLE batch_login")


@pytest.fixture
def exporting(batch, engine):
    """The batch's engine with the optional rights for the export."""
    with engine.begin() as owner:
        owner.exec_driver_sql(f"SET LOCAL kaiwa.export_findings = 'on'; {GRANTS}")
    return batch


@pytest.fixture
def app(batch, engine, database_url):
    """An engine with only the rights of `kaiwa_app`."""
    with engine.begin() as owner:
        owner.exec_driver_sql(
            "DROP ROLE IF EXISTS app_login;"
            "CREATE ROLE app_login LOGIN PASSWORD 'app' IN ROLE kaiwa_app"
        )
    login = sa.make_url(database_url).set(username="app_login", password="app")
    app = database.connect(login.render_as_string(hide_password=False))
    yield app
    app.dispose()
    with engine.begin() as owner:
        owner.exec_driver_sql("DROP ROLE app_login")


def test_granting_calls_no_function_that_others_have_put_into_the_schema_public(engine):
    # The types of this one fit better than those of Postgres' own.
    with engine.begin() as owner:
        owner.exec_driver_sql(
            "CREATE FUNCTION public.quote_ident(name) RETURNS text LANGUAGE plpgsql"
            " AS $$BEGIN RAISE EXCEPTION 'called with the owner''s rights'; END$$"
        )
        owner.exec_driver_sql(GRANTS)
        granted = owner.exec_driver_sql(
            "SELECT has_schema_privilege('kaiwa_audio', 'public', 'USAGE')"
        )
        assert granted.scalar_one()


def test_the_batch_may_do_its_whole_job(batch, add_message):
    done, failed, later = add_message(), add_message(), add_message()
    with batch.begin() as connection:
        (chunk,) = leases.waiting_chunks(connection, languages=["en"], limit=10, chunk_size=10)
        assert chunk.size == 3
        assert not leases.count_uncovered(connection, ["en"])
        token = leases.claim(
            connection, limit=3, owner="batch", duration=timedelta(minutes=1), languages=["en"]
        ).token
    with batch.begin() as connection:
        assert leases.renew(connection, token, timedelta(minutes=1)) == 3
        assert leases.lock_held(connection, token, [done, failed]) == {done, failed}
        record = AnalysisRecord(message_id=done, analyzed_at=datetime(2025, 10, 14, tzinfo=UTC))
        for _ in range(2):  # the second one writes history
            analyses.upsert(connection, [record])
        messages.mark_analyzed(connection, [(done, 85, 78, 145)])
        messages.mark_failed(connection, [(failed, "No speech.")])
        assert messages.put_back_scores(connection, after_id="", limit=10) == []
        quarantine.set_aside(connection, [BrokenRule(failed, "analysis_crash", "3 crashes")])
        assert leases.put_back(connection, token, [MessageRetry(later, timedelta(0), 1, 0)]) == 1
        assert leases.release(connection, token) == 0
        assert leases.recover_stale(connection, limit=10, unleased_age=timedelta(days=1)) == 0
        assert messages.get(connection, done).audio_processing_state == "analyzed"


def test_the_batch_can_check_data_quality(batch, add_analysed):
    wrong = add_analysed(pronunciation_score=80)
    with batch.begin() as connection:
        check_id, scope = checks.begin(connection, CheckScope.CHANGED)
        assert checked_rows.create(connection, scope, FACTS) == 1
        quarantine.collect_invariants(connection)
        assert quarantine.open_cases(connection, ["quick_scores"]) == 1
        assert quarantine.release(connection, ["quick_scores"]) == 0
        checks.finish(connection, check_id, checked=1, failing=1, results=())
        assert checked_rows.broken_among(connection, [wrong], FACTS, [RULES["quick_scores"]])
    with batch.begin() as connection:
        _, scope = checks.begin(connection, CheckScope.CHANGED)
        assert checked_rows.create(connection, scope, FACTS) == 1  # its case is open


def test_the_batch_may_refresh_urls(batch, add_message):
    add_message(audio_retention_expires_at=datetime(2026, 1, 1, tzinfo=UTC))
    now = datetime(2025, 10, 14, tzinfo=UTC)
    with batch.begin() as connection:
        assert signed_urls.count_live(connection, now) == (1, 0)
        (span,) = signed_urls.spans(connection, now, rows_per_span=10)
        (message,) = signed_urls.page(connection, span, limit=10)
        assert signed_urls.write(connection, now, [(message, "https://example.org", 60)]) == 1
        assert signed_urls.active_conversations(connection, now) == frozenset()


def test_the_batch_may_sweep(batch, record, add_orphan, hold, sweep, monkeypatch):
    record()
    record(audio=None, audio_storage_key="../x")  # goes to quarantine
    hold(record())
    add_orphan("orphan")
    with monkeypatch.context() as patch:
        patch.setattr(database_resources, "engine", lambda: batch)
        assert set_missing_expiries.fn() == 0
        assert sweep().objects == 2


def test_the_batch_may_keep_the_ledger_and_the_holds(batch, add_message):
    message_id = add_message()
    keys = ("a", "b")
    with batch.begin() as connection:
        holds.keep_out(connection)
        ledger.intend(
            connection, [IntendedDeletion(key, None, DeletionReason.ORPHAN) for key in keys]
        )
        ledger.note_failures(connection, {"a": "SlowDown"})
        assert len(ledger.open_intents(connection, after_id=0, limit=10)) == 2
        assert ledger.finish(connection, dict.fromkeys(keys, DeletionState.DELETED)) == 2
        assert ledger.verify(connection, ledger.head(connection)).broken is None
    with batch.begin() as connection:
        placed = holds.place(connection, HoldScope.MESSAGE, message_id, "case 7", "Mori")
        assert [hold.hold_id for hold in holds.active(connection)] == [placed.hold_id]
        assert holds.on_learner(connection, uuid4()) == 0
        assert holds.release(connection, placed.hold_id, "Sato")


def test_the_batch_may_reconcile(batch, add_message, add_conversation, run_sql):
    add_message(audio_storage_key="audio/lost")
    conversation = add_conversation(user_id=None)
    stray = f"audio/anonymous/{conversation}/m_1760000000000.wav"
    add_message(id="m", conversation_id=conversation, audio_storage_key=None)
    run_sql(
        "INSERT INTO audio_ops.orphan_object (storage_key, source) VALUES (:key, 'reconciliation')",
        key=stray,
    )
    now = datetime(2025, 10, 14, tzinfo=UTC)
    with batch.begin() as connection:
        run = inventory.begin(connection, "b", "audio/", resume_within=timedelta(days=1))
        page = [ObjectFacts(stray, 2, now), ObjectFacts("audio/orphan", 1, now)]
        inventory.add_page(connection, run, page, after=None)
        inventory.end_listing(connection, run)
        older_than = now + timedelta(days=1)
        assert comparison.compare(connection, run, older_than=older_than).findings == 3
        assert comparison.sample_missing(connection, run, limit=1) == ["audio/lost"]
        (found,) = stray_objects.find_strays(connection, run, after="", limit=10)
        new = Adoption(found.message_id, stray, 2, "pcm16", 24_000, 1, 0)
        assert stray_objects.adopt(connection, run, [new]) == 1
        kinds = tuple(FindingKind)
        found = comparison.findings(connection, run, kinds, after=0, limit=10)
        seen = [(finding.id, finding.object_bytes, finding.dated_at) for finding in found]
        comparison.settle(connection, run, seen, older_than=older_than)
        assert comparison.count_unclaimed(connection, run) == 1
        assert comparison.queue(connection, run, [finding.id for finding in found]) == 1
        assert len(comparison.report(connection, run)) == 2
        inventory.finish(connection, run)
        inventory.abandon(connection, run)


def test_the_batch_may_erase_a_learner(batch, add_message, add_user, add_conversation):
    user_id = add_user()
    message_id = add_message(conversation_id=add_conversation(user_id=user_id))
    with batch.begin() as connection:
        assert erasure.is_known(connection, user_id)
        erasure.begin(connection, user_id, "request 7")
        assert learner_messages.count_rows(connection, user_id).total() == 0
        (recording,) = learner_messages.recordings(connection, [message_id])
        assert not erasure.used_by_others(connection, user_id, [recording.storage_key])
        learner_messages.silence(connection, [message_id])
        assert learner_messages.confirm(connection, [message_id]) == 1
        assert erasure.orphans(connection, user_id, folder="audio/", after="", limit=1) == []
        assert erasure.forget_listed(connection, user_id, folder="audio/") == 0
        assert erasure.revived(connection, limit=1) == []
        erasure.complete(connection, user_id)


def test_the_app_may_read_both_views_and_nothing_else_of_ours(app, add_analysed):
    add_analysed({"hesitation_count": 0})
    with app.connect() as connection:
        for view in ("learner_feedback", "learner_progress"):
            assert len(connection.execute(sa.text(f"SELECT * FROM audio_ops.{view}")).all()) == 1


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT FROM audio_ops.quarantine",
        "SELECT FROM audio_ops.erased_learner",
        "SELECT FROM audio_ops.deletion_ledger",
        "SELECT FROM message_audio_analysis",
        "DROP VIEW audio_ops.learner_feedback",
        "CREATE VIEW audio_ops.mine AS SELECT 1",
    ],
)
def test_the_app_may_not(app, statement):
    with (
        app.connect() as connection,
        pytest.raises(ProgrammingError, match=r"permission denied|must be owner"),
    ):
        connection.execute(sa.text(statement))


def test_the_batch_may_export_findings_only_if_so_wished(batch):
    with batch.begin() as connection:
        assert not findings.may_write(connection)
        with pytest.raises(FindingsDenied):
            findings.require_rights(connection)
        assert findings.forget(connection, ["message-0"]) == 0
        assert findings.count_of_learner(connection, uuid4()) == 0


def test_a_batch_that_exports_may_do_all_of_it(exporting, add_analysed, add_user, add_conversation):
    user_id = add_user()
    message_id = add_analysed(conversation_id=add_conversation(user_id=user_id))
    feature = Feature("en", "pronunciation", "word", "clarity")
    says = FindingText("info", 0, 5, "Hello", "It was unclear.", {})
    finding = Finding(uuid4(), message_id, feature, says)
    as_of = datetime(2025, 10, 14, tzinfo=UTC)
    with exporting.begin() as connection:
        findings.require_rights(connection)
        assert findings.page(connection, "", limit=10) == [message_id]
        findings.lock(connection, [message_id])
        assert findings.messages(connection, [message_id], distrusted=["quick_scores"])
        for _ in range(2):  # the second one updates
            findings.write(connection, [finding], as_of=as_of)
        (stored,) = findings.stored(connection, [message_id])
        assert stored.says == says
        assert findings.count_of_learner(connection, user_id) == 1
        findings.remove(connection, [finding.id])
        assert findings.forget(connection, [message_id]) == 0


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE messages SET content = 'changed'",
        "UPDATE messages SET conversation_id = 'other'",
        "DELETE FROM messages",
        "INSERT INTO messages (id, conversation_id, role, content) VALUES ('m', 'c', 'user', 'a')",
        "UPDATE conversations SET target_language_id = 'ja'",
        "SELECT email FROM users",
        "SELECT display_name FROM users",
        "SELECT created_at FROM users",
        "SELECT title FROM conversations",
        "SELECT translated_content FROM messages",
        "SELECT * FROM messages",
        "DELETE FROM users",
        "UPDATE subscriptions SET current_tier = 'premium'",
        "UPDATE audio_ops.alembic_version SET version_num = '0000'",
        "CREATE TABLE audio_ops.mine ()",
        "DROP TABLE message_audio_analysis",
        "DELETE FROM audio_ops.deletion_ledger",
        "TRUNCATE audio_ops.deletion_ledger",
        "UPDATE audio_ops.deletion_ledger SET reason = 'orphan'",
        "UPDATE audio_ops.deletion_ledger SET state = 'deleted'",
        "UPDATE audio_ops.deletion_ledger SET position = 9223372036854775807",
        "UPDATE audio_ops.deletion_ledger SET hash = ''",
        "UPDATE audio_ops.deletion_ledger SET finished_at = now()",
        "UPDATE audio_ops.deletion_ledger SET storage_key = NULL",
        "UPDATE audio_ops.deletion_ledger SET state = 'deleted', storage_key = NULL,"
        " finished_at = now(), position = 9223372036854775807, hash = ''",
        "INSERT INTO audio_ops.deletion_ledger (id, storage_key, key_sha256, reason)"
        " OVERRIDING SYSTEM VALUE VALUES (9223372036854775807, 'a', sha256('a'), 'orphan')",
        "SELECT setval('audio_ops.deletion_ledger_id_seq', 9223372036854775807)",
        "INSERT INTO audio_ops.deletion_ledger (key_sha256, reason, state, finished_at, position,"
        " hash) VALUES ('', 'orphan', 'deleted', now(), 1, '')",
        "ALTER TABLE audio_ops.deletion_ledger DISABLE TRIGGER ALL",
        "DROP TRIGGER protect_rows ON audio_ops.deletion_ledger",
        "SET session_replication_role = replica",
        "DELETE FROM audio_ops.legal_hold",
        "TRUNCATE audio_ops.legal_hold",
        "UPDATE audio_ops.legal_hold SET subject_id = 'another'",
        "UPDATE audio_ops.legal_hold SET reason = NULL, subject_id = NULL, salt = NULL",
        "UPDATE audio_ops.legal_hold SET released_at = '2020-01-01'",
        "UPDATE audio_ops.legal_hold SET placed_by = 'another'",
        "INSERT INTO audio_ops.legal_hold (scope, subject_id, reason, placed_by, placed_at)"
        " VALUES ('message', 'm', 'case', 'Mori', '2020-01-01')",
        "INSERT INTO audio_ops.hold_event (position, hold_id, event, occurred_at, hash)"
        " VALUES (1, 1, 'released', now(), '')",
        "UPDATE audio_ops.hold_event SET done_by = 'another'",
        "DELETE FROM audio_ops.hold_event",
        "ALTER TABLE audio_ops.legal_hold DISABLE TRIGGER ALL",
        "SELECT audio_ops.append_hold_event(h, 'placed', 'Mori', now())"
        " FROM audio_ops.legal_hold AS h",
        "SELECT audio_ops.learner_of_hold(h) FROM audio_ops.legal_hold AS h",
        "CREATE FUNCTION audio_ops.sha256(bytea) RETURNS bytea LANGUAGE sql RETURN $1",
        "GRANT EXECUTE ON FUNCTION audio_ops.queue_orphans() TO kaiwa_audio",
        "DELETE FROM audio_ops.erased_learner",
        "TRUNCATE audio_ops.erased_learner",
        "ALTER TABLE messages DISABLE TRIGGER audio_ops_queue_orphans",
        "SELECT FROM analysis_findings",
        "INSERT INTO linguistic_features (id) VALUES ('a')",
    ],
)
def test_the_batch_may_do_nothing_else(batch, statement):
    with (
        batch.connect() as connection,
        pytest.raises(ProgrammingError, match=r"permission denied|must be owner"),
    ):
        connection.execute(sa.text(statement))


def test_the_batch_cannot_stop_the_ledger(batch, engine):
    """Only attempts and errors of open entries are its to write, and attempts only one by one."""
    with batch.begin() as connection:
        ledger.intend(connection, [IntendedDeletion("a", None, DeletionReason.ORPHAN)])
    for attempts in ("2147483647", "-1", "attempts + 2"):
        with batch.connect() as connection, pytest.raises(DatabaseError, match="one by one"):
            connection.exec_driver_sql(
                f"UPDATE audio_ops.deletion_ledger SET attempts = {attempts}"
            )
    with batch.begin() as connection:
        ledger.note_failures(connection, {"a": "SlowDown"})
        assert ledger.finish(connection, {"a": DeletionState.DELETED}) == 1
    with batch.connect() as connection, pytest.raises(DatabaseError, match="is final"):
        connection.exec_driver_sql("UPDATE audio_ops.deletion_ledger SET last_error = 'x'")
    with engine.connect() as connection:
        assert ledger.verify(connection).broken is None


def test_the_batch_can_release_a_hold_once_and_nothing_more(batch, add_message):
    with batch.begin() as connection:
        placed = holds.place(connection, HoldScope.MESSAGE, add_message(), "case 7", "Mori")
        assert holds.release(connection, placed.hold_id, "Sato")
    for value in ("'Mori'", "NULL"):
        with batch.connect() as connection, pytest.raises(DatabaseError, match="is final"):
            connection.exec_driver_sql(f"UPDATE audio_ops.legal_hold SET released_by = {value}")
    with batch.connect() as connection:
        assert hold_history.verify(connection).broken is None


def test_the_batch_may_forget_holds_of_the_erased_alone(batch, add_user):
    user_id = add_user()
    with batch.begin() as connection:
        placed = holds.place(connection, HoldScope.USER, str(user_id), "case 7", "Mori")
        assert holds.release(connection, placed.hold_id, "Sato")
    with batch.connect() as connection, pytest.raises(DatabaseError, match="being erased"):
        holds.forget_released(connection, user_id)
    with batch.begin() as connection:
        erasure.begin(connection, user_id, "request 7")
        assert holds.forget_released(connection, user_id) == 1


def test_the_batch_may_queue_what_overflowed(batch, engine, add_message):
    add_message(audio_storage_key="k")
    with engine.begin() as app, engine.begin() as other:
        other.exec_driver_sql("LOCK TABLE audio_ops.orphan_object")
        app.exec_driver_sql("DELETE FROM messages")
    with batch.begin() as connection:
        assert orphan_queue.take_overflow(connection) == 1


# Functions


FUNCTIONS = sa.text("""
SELECT p.proname, pg_get_userbyid(p.proowner) AS owner, p.prosecdef, p.proconfig,
    (SELECT pg_get_userbyid(relowner) FROM pg_class
    WHERE oid = 'audio_ops.deletion_ledger'::regclass) AS owner_of_tables,
    has_function_privilege('public', p.oid, 'EXECUTE') AS public_may,
    has_function_privilege('kaiwa_app', p.oid, 'EXECUTE') AS app_may,
    has_function_privilege('batch_login', p.oid, 'EXECUTE') AS batch_may
FROM pg_proc AS p WHERE p.pronamespace = 'audio_ops'::regnamespace ORDER BY 1
""")
FOR_THE_BATCH = {"finish_deletions", "forget_released_holds"}
WITH_THE_OWNERS_RIGHTS = {*FOR_THE_BATCH, "keep_holds", "queue_orphans"}


@pytest.mark.parametrize("restored", [False, True])
def test_every_function_of_ours_is_closed_to_all_but_its_users(batch, engine, restored):
    if restored:  # without privileges: Postgres then gives every role its default
        with engine.begin() as owner:
            owner.exec_driver_sql("GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA audio_ops TO PUBLIC")
            owner.exec_driver_sql(GRANTS)
    with engine.connect() as connection:
        functions = {row.proname: row for row in connection.execute(FUNCTIONS)}
    assert {name for name, found in functions.items() if found.batch_may} == FOR_THE_BATCH
    assert {name for name, found in functions.items() if found.prosecdef} == WITH_THE_OWNERS_RIGHTS
    for found in functions.values():
        assert not found.public_may
        assert not found.app_may
        assert found.owner == found.owner_of_tables
        assert "search_path=pg_catalog, pg_temp" in found.proconfig


# Between an upgrade and the next run of grants.sql


EARLIER_GRANTS = """
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA audio_ops FROM kaiwa_audio;
GRANT SELECT ON conversations, messages TO kaiwa_audio;
GRANT SELECT (id, display_name, created_at) ON users TO kaiwa_audio;
GRANT UPDATE (storage_key, state, attempts, last_error, finished_at, position, hash)
    ON audio_ops.deletion_ledger TO kaiwa_audio;
GRANT UPDATE (released_by, released_at) ON audio_ops.legal_hold TO kaiwa_audio;
ALTER DEFAULT PRIVILEGES IN SCHEMA audio_ops
    REVOKE SELECT, INSERT, UPDATE, DELETE ON TABLES FROM kaiwa_audio
"""
EARLIER_FINISH = """
UPDATE audio_ops.deletion_ledger
SET state = 'deleted', storage_key = NULL, finished_at = now(), position = {0}, hash = ''
WHERE storage_key = '{1}'
"""
EARLIER_RELEASE = """
UPDATE audio_ops.legal_hold
SET released_by = 'Sato', released_at = COALESCE(released_at, statement_timestamp())
WHERE id = {0} AND (released_at IS NULL OR released_by = 'Sato')
"""


@pytest.fixture
def upgraded(batch, engine, database_url):
    """A database of the earlier version, upgraded; nobody has run the new grants.sql."""
    run.downgrade(database_url, "0012")
    with engine.begin() as owner:
        owner.exec_driver_sql(EARLIER_GRANTS)
    run.upgrade(database_url)
    return batch


def test_until_then_flows_of_both_versions_delete(
    upgraded, engine, record, hold, sweep, monkeypatch, add_orphan
):
    record()
    add_orphan("orphan")
    held = record()
    placed = hold(held)
    with upgraded.begin() as connection:
        ledger.intend(connection, [IntendedDeletion("old", None, DeletionReason.ORPHAN)])
    with upgraded.begin() as connection:  # a process of the earlier version, still at work
        connection.exec_driver_sql(EARLIER_FINISH.format(1, "old"))
        connection.exec_driver_sql(EARLIER_RELEASE.format(placed.hold_id))
    with monkeypatch.context() as patch:
        patch.setattr(database_resources, "engine", lambda: upgraded)
        mend_app_objects.fn()
        assert sweep().objects == 3
    with upgraded.connect() as connection:
        assert hold_history.verify(connection).broken is None


def test_afterwards_an_entry_of_the_earlier_version_stays_open_for_the_next_sweep(
    upgraded, engine, record, entries, sweep, monkeypatch
):
    message_id = record()
    with engine.begin() as connection:
        key = messages.get(connection, message_id).audio_storage_key
        ledger.intend(connection, [IntendedDeletion(key, message_id, DeletionReason.RETENTION)])
        connection.exec_driver_sql(GRANTS)
    with upgraded.connect() as connection, pytest.raises(ProgrammingError, match="denied"):
        connection.exec_driver_sql(EARLIER_FINISH.format(1, key))
    with monkeypatch.context() as patch:
        patch.setattr(database_resources, "engine", lambda: upgraded)
        assert sweep().objects == 1
    assert entries() == [("retention", "deleted", message_id)]


def test_doctor_and_upgrade_name_what_the_role_no_longer_needs(upgraded, engine, database_url):
    def surplus():
        return {one.role: one.surplus for one in run.examine(database_url).rights}["kaiwa_audio"]

    assert surplus() == (
        "UPDATE audio_ops.deletion_ledger.position",
        "UPDATE audio_ops.legal_hold.released_at",
        "SELECT users.display_name",
        "SELECT conversations.title",
        "SELECT messages.translated_content",
    )
    with engine.begin() as owner:
        owner.exec_driver_sql("GRANT EXECUTE ON FUNCTION audio_ops.queue_orphans() TO PUBLIC")
    assert surplus()[5:] == ("EXECUTE audio_ops.queue_orphans(), as every role",)
    with engine.begin() as owner:
        owner.exec_driver_sql(GRANTS)
    assert surplus() == ()
    assert not any(one.missing for one in run.examine(database_url).rights)


def test_tables_of_later_migrations_are_covered(batch, engine):
    with engine.begin() as owner:
        owner.exec_driver_sql("CREATE TABLE audio_ops.ledger (id integer)")
    with batch.begin() as connection:
        connection.execute(sa.text("INSERT INTO audio_ops.ledger VALUES (1)"))
        assert connection.scalar(sa.text("SELECT count(*) FROM audio_ops.ledger")) == 1


def test_the_batch_may_analyse_history_again_and_undo_it(batch, add_scored):
    message_id = add_scored()
    request = BackfillRequest(BackfillSelection.ALL)
    with batch.begin() as connection:
        number = backfills.begin(connection, request, RELEASE, fingerprint="a", reason="better")
        assert selection.plan(connection, request, RELEASE, [RELEASE], ("en",)).messages == 1
        assert not freezing.freeze_page(connection, number, RELEASE, [RELEASE], ("en",), limit=10)
        backfills.drive(connection, number, flow_run_id=uuid4())
        backfills.approve(connection, number, approved_by="Mori")
        claim = backfill_leases.claim(
            connection, number, RELEASE, limit=10, owner="test", duration=timedelta(minutes=1)
        )
        assert backfill_leases.lock_held(connection, claim.token, RELEASE) == {message_id: None}
        outcomes.keep_previous(connection, claim.token, [message_id])
        analyses.upsert(connection, [analysis(message_id, 90, analysis_version="2.0")])
        done = FinishedItem(message_id, BackfillOutcome.ANALYZED, audio_ms=4000, cpu_ms=50)
        outcomes.finish(connection, claim.token, [done])
        backfills.end(connection, number, {})
        assert undo.begin(connection, number, reason="worse")
        page = undo.page(connection, number, after_id=0, limit=10)
        assert undo.undo(connection, page) == 1


def test_our_trigger_function_cannot_be_attached_to_foreign_tables(batch):
    # There a cast to a custom type would run a custom function with the owner's rights.
    with batch.connect() as connection:
        connection.exec_driver_sql("CREATE TEMPORARY TABLE mine (id text)")
        with pytest.raises(ProgrammingError, match="permission denied for function"):
            connection.exec_driver_sql(
                "CREATE TRIGGER mine AFTER DELETE ON mine REFERENCING OLD TABLE AS deleted"
                " FOR EACH STATEMENT EXECUTE FUNCTION audio_ops.queue_orphans()"
            )


def test_the_batch_cannot_write_rollback_data(batch, engine, database_url):
    with engine.begin() as owner:  # as an earlier version left it: new tables come with all rights
        owner.exec_driver_sql(
            "DROP TABLE audio_ops.adoption_step, audio_ops.parked_text, audio_ops.parked_analysis"
        )
    run.upgrade(database_url)
    for statement in (
        "INSERT INTO audio_ops.adoption_step (step) VALUES ('default messages.id was 1')",
        "DELETE FROM audio_ops.adoption_step",
        "UPDATE audio_ops.parked_text SET value = 'x'",
        "INSERT INTO audio_ops.parked_analysis (document) VALUES ('{}')",
    ):
        with batch.connect() as connection, pytest.raises(ProgrammingError, match="denied"):
            connection.exec_driver_sql(statement)
