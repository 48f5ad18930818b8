"""Search everything for an erased learner: what is found is named in the receipt, and why."""

import logging
from pathlib import Path

import pytest
import sqlalchemy as sa
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL, PREFECT_HOME

from flows.check_quality import check_quality
from flows.erase_learner import erase_learner
from flows.measure_costs import measure_costs
from flows.place_legal_hold import place_legal_hold
from flows.reconcile_bucket import reconcile_bucket
from flows.refresh_signed_urls import refresh_signed_urls
from flows.release_legal_hold import release_legal_hold
from flows.sweep_retention import sweep_retention
from schema.errors.base import KaiwaError
from schema.states import CheckScope, HoldScope
from tasks.resources import storage
from tests.support import searching
from tests.support.erasing import TEXT, keep_versions

pytestmark = [pytest.mark.flow, pytest.mark.usefixtures("prefect_server", "stage")]

# Tables of ours that hold nothing of a learner; each other one must hold something to be erased.
IMPERSONAL = {
    "adoption_step", "alembic_version", "bucket_traffic", "erased_learner", "hold_event",
    "quality_check", "quality_result", "storage_metric", "threshold_state",
}  # fmt: skip
EMPTIED_FIRST = {"orphan_overflow"}  # into the orphan queue, by each sweep and erasure
# All that may be found afterwards, and what the receipt says of it.
OURS = {
    "audio_ops.deletion_ledger.message_id": {"message", "other message"},
    "audio_ops.erased_learner.user_id": {"user"},
    "audio_ops.erased_learner.reason": {"erasure's reason"},
}
THE_APPS = {
    "public.conversations.id": {"conversation"},
    "public.conversations.user_id": {"user"},
    "public.messages.content": {"text"},
    "public.messages.conversation_id": {"conversation"},
    "public.messages.id": {"message", "other message"},
    "public.users.email": {"user"},
    "public.users.id": {"user"},
}
# In Prefect: parameters of runs, artifacts that give examples, and the events that repeat these.
PREFECTS = {"flow_run.parameters", "artifact.data", "artifact_collection.data", "events.payload"}
ARTIFACTS = {"legal-holds", "reconcile-bucket", "check-quality"}
NEVER_IN_PREFECT = {"text"}
NAMED = (
    "`audio_ops.erased_learner`", "deletion ledger", "released legal holds", "`legal-holds`",
    "Delete this flow run", "Prefect's events", "The app must still erase", "`check-quality`",
    "`reconcile-bucket`", "`backfill-analysis-canary`",
)  # fmt: skip
# One statement a table that no flow of this test fills.
ROWS = """
INSERT INTO audio_ops.lease (message_id, owner) VALUES (:message, :text);
INSERT INTO audio_ops.quarantine (message_id, rule, observed) VALUES (:message, 'r', :text);
INSERT INTO audio_ops.parked_text (message_id, column_name, value)
    VALUES (:message, 'pronunciation_score', :text);
INSERT INTO audio_ops.parked_analysis (message_id, document)
    VALUES (:message, jsonb_build_object('text', CAST(:text AS text)));
INSERT INTO audio_ops.backfill (fingerprint, selection, reason, engine_version, frozen_at,
        frozen_to, selected)
    VALUES ('f', jsonb_build_object(
            'conversation_ids', jsonb_build_array(CAST(:conversation AS text), 'c')
        ), 'new model', '2', now(),
        jsonb_build_object('timestamp', '2026-01-05', 'id', CAST(:message AS text)), 1);
INSERT INTO audio_ops.backfill (fingerprint, selection, reason, engine_version, frozen_to, selected)
    VALUES ('g', '{"conversation_ids": [], "newest_first": true}', 'new model', '2',
        jsonb_build_object('timestamp', '2026-01-05', 'id', CAST(:message AS text)), 1);
INSERT INTO audio_ops.backfill_item (backfill_id, message_id, engine_version, language, is_canary,
        storage_key)
    SELECT min(id), :message, '2', 'en', false, :key FROM audio_ops.backfill;
INSERT INTO audio_ops.backfill_previous (item_id, document)
    SELECT id, jsonb_build_object('text', CAST(:text AS text)) FROM audio_ops.backfill_item;
INSERT INTO audio_ops.orphan_object (storage_key, source, message_id, conversation_id, user_id)
    VALUES (:orphan, 'message_deleted', 'gone', :conversation, CAST(:user AS uuid));
INSERT INTO audio_ops.bucket_inventory VALUES (:elsewhere, 1, now()), (:key, 1, now());
INSERT INTO audio_ops.reconciliation (token, bucket, prefix, last_key, listed_at, finished_at)
    VALUES (gen_random_uuid(), 'b', 'audio/', :key, now(), now());
INSERT INTO audio_ops.reconciliation (token, bucket, prefix, last_key)
    VALUES (gen_random_uuid(), 'b', 'audio/', :elsewhere);
INSERT INTO audio_ops.reconciliation_finding
        (reconciliation_id, kind, storage_key, message_id, dated_at)
    SELECT min(id), 'size_difference', :elsewhere, :other_message, now()
    FROM audio_ops.reconciliation;
INSERT INTO audio_ops.deletion_ledger (message_id, storage_key, key_sha256, reason, last_error)
    SELECT :message, key, sha256(convert_to(key, 'UTF8')), 'retention', 'SlowDown'
    FROM unnest(ARRAY[:key, :unfinished]) AS key;
UPDATE messages SET audio_processing_error = :text WHERE id = :message;
"""


@pytest.fixture
def reports(tmp_path, monkeypatch):
    folder = tmp_path / "reports"
    folder.mkdir()
    monkeypatch.setenv("KAIWA_REPORTS_DIR", str(folder))
    return folder


@pytest.fixture
def traces(learner, add_recording, read_message):
    """A learner with two recordings, one of them elsewhere; what would identify them, by name."""
    message = add_recording(learner)
    other = add_recording(
        learner, audio=TEXT.encode(), audio_storage_key=f"audio/guest/{learner.conversation_id}.wav"
    )
    return {
        "user": str(learner.user_id),
        "user's hex": learner.user_id.hex,
        "conversation": learner.conversation_id,
        "message": message,
        "other message": other,
        "key": read_message(message).audio_storage_key,
        "elsewhere": read_message(other).audio_storage_key,
        "text": TEXT,
        "erasure's reason": "request 4711 of Hana",
        "hold's reason": "case 0815 against Hana",
    }


def run(flow, *arguments, **options):
    """Run a flow; whether it fails for what it finds does not matter here."""
    try:
        return flow(*arguments, **options)
    except KaiwaError as error:
        return error


@pytest.fixture
def leave_traces(engine, learner, traces, reports):
    """Let every flow and every table have to do with the learner."""
    keep_versions()
    bucket = storage.bucket()
    bucket.put(traces["key"], TEXT.encode(), "audio/wav")  # a second version
    bucket.put(f"{learner.folder}lost.wav", TEXT.encode(), "audio/wav")
    run(refresh_signed_urls)
    run(check_quality, CheckScope.EVERYTHING)
    run(measure_costs)
    run(reconcile_bucket)
    run(sweep_retention, dry_run=True)
    hold = place_legal_hold(HoldScope.MESSAGE, traces["message"], traces["hold's reason"], "Mori")
    release_legal_hold(hold.hold_id, "Sato")
    arguments = {name.replace(" ", "_"): value for name, value in traces.items()}
    arguments |= {name: f"{learner.folder}{name}.wav" for name in ("orphan", "unfinished")}
    with engine.begin() as connection:
        for statement in ROWS.strip().removesuffix(";").split(";\n"):
            names = sa.text(statement).compile().params
            connection.execute(sa.text(statement), {name: arguments[name] for name in names})


def our_tables(engine):
    query = sa.text(
        "SELECT relname FROM pg_class"
        " WHERE relnamespace = 'audio_ops'::regnamespace AND relkind = 'r'"
    )
    with engine.connect() as connection:
        return set(connection.execute(query).scalars())


def prefects_database():
    return PREFECT_API_DATABASE_CONNECTION_URL.value().partition("///")[2]


def receipt():
    with get_client(sync_client=True) as client:
        artifacts = client.read_artifacts(
            artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=["erase-learner"]))
        )
    return max(artifacts, key=lambda artifact: artifact.created).data


def artifacts_with(traces):
    with get_client(sync_client=True) as client:
        artifacts = client.read_artifacts()
    return {artifact.key for artifact in artifacts if searching.traces(artifact.data, traces)}


def test_nothing_is_left_but_what_the_receipt_names(
    engine, learner, traces, leave_traces, reports, caplog
):
    filled = {
        column.split(".")[1]
        for column in searching.in_database(engine, traces)
        if column.startswith("audio_ops.")
    }
    assert our_tables(engine) - IMPERSONAL - EMPTIED_FIRST == filled
    caplog.set_level(logging.DEBUG)
    for library in ("botocore", "urllib3", "boto3"):  # they log whole requests
        caplog.set_level(logging.INFO, library)
    erase_learner(learner.user_id, traces["erasure's reason"], dry_run=False)
    assert "**Complete.**" in receipt()
    assert all(name in receipt() for name in NAMED)
    assert searching.in_database(engine, traces) == OURS | THE_APPS
    assert searching.in_bucket(storage.bucket(), traces) == {}
    assert searching.in_files(reports, traces) == {}
    in_prefect = searching.in_sqlite(prefects_database(), traces)
    assert set(in_prefect) <= PREFECTS
    assert not set().union(*in_prefect.values()) & NEVER_IN_PREFECT
    assert artifacts_with(traces) <= ARTIFACTS
    assert searching.in_files(Path(PREFECT_HOME.value()) / "storage", traces) == {}
    assert searching.traces(caplog.text, traces) == set()
    assert searching.traces(receipt(), traces) == set()
