"""The reconciliation under Prefect: its form, its artifacts, its final state."""

import logging
from datetime import timedelta

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

from flows.reconcile_bucket import reconcile_bucket
from schema import clock
from schema.errors.reconciliation import MessagesMissing
from schema.errors.storage import RecordingsMissing, StorageDenied
from schema.states import FindingKind
from stores.reconciliation import comparison
from tasks.reconciliation.listing import begin_reconciliation, list_chunk
from tasks.resources import storage
from tests.support.faulty_bucket import answered

pytestmark = [pytest.mark.flow, pytest.mark.usefixtures("prefect_server", "stage")]


def newest_artifact(key):
    with get_client(sync_client=True) as client:
        artifacts = client.read_artifacts(
            artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=[key]))
        )
    return max(artifacts, key=lambda artifact: artifact.created)


@pytest.fixture
def record(add_message):
    def _record(key, size=4):
        storage.bucket().put(key, b"data", "audio/wav")
        add_message(audio_storage_key=key, audio_size_bytes=size)

    return _record


def test_findings_are_published_and_warned_of_and_the_run_is_green(record, add_message, caplog):
    record("audio/good")
    record("audio/size", size=5)
    add_message(audio_storage_key="audio/lost")
    storage.bucket().put("audio/young", b"data", "audio/wav")
    with caplog.at_level(logging.WARNING):
        report = reconcile_bucket(repair=True)
    assert {finding.kind for finding in report.findings} == {
        FindingKind.ROW_WITHOUT_OBJECT,
        FindingKind.SIZE_DIFFERENCE,
    }
    page = newest_artifact("reconcile-bucket").data
    assert '"audio/lost"' in page
    assert '"audio/size"' in page
    assert "audio/young" not in page
    assert newest_artifact("reconcile-bucket-progress").data == 100.0
    assert "Found row without object: 1" in caplog.text


def test_an_outdated_or_lost_listing_is_made_again_in_the_same_run(record, run_sql, caplog):
    record("audio/0")
    list_chunk.fn(begin_reconciliation.fn())  # an interrupted run's, complete by then
    for number in range(1, 5):
        record(f"audio/{number}")
    report = reconcile_bucket()
    assert (report.objects, report.rows, report.findings) == (5, 5, ())
    assert "absent from the listing that an earlier run began" in caplog.text


def test_an_inventory_lost_during_the_run_is_listed_again(record, run_sql, monkeypatch, caplog):
    for number in range(3):
        record(f"audio/{number}")
    compare, losses = comparison.compare, ["TRUNCATE audio_ops.bucket_inventory"]

    def lose_and_compare(*arguments, **options):
        while losses:
            run_sql(losses.pop())
        return compare(*arguments, **options)

    monkeypatch.setattr(comparison, "compare", lose_and_compare)
    report = reconcile_bucket()
    assert (report.objects, report.rows, report.findings) == (3, 3, ())
    assert "The database holds 0 of 3 listed objects" in caplog.text


def test_a_bucket_without_the_recordings_fails_the_run(add_message):
    add_message()
    with pytest.raises(RecordingsMissing):
        reconcile_bucket()


@pytest.fixture
def all_are_old(monkeypatch):
    """Run the flow as of a month later, since a test cannot upload an old object."""
    monkeypatch.setattr(
        "flows.reconcile_bucket.utc_now", lambda: clock.utc_now() + timedelta(days=30)
    )
    monkeypatch.setattr("flows.reconcile_bucket.check_clocks", lambda _: None)


@pytest.mark.parametrize("repair", [True, False])
def test_after_messages_was_truncated_no_object_is_queued_until_approved(
    record, run_sql, queue, all_are_old, repair
):
    keys = {f"audio/{number}" for number in range(3)}
    for key in keys:
        record(key)
    run_sql("TRUNCATE messages CASCADE")
    with pytest.raises(MessagesMissing) as error:
        reconcile_bucket(repair=repair)
    assert (error.value.orphans, error.value.objects) == (3, 3)
    assert queue() == {}
    assert '"audio/0"' in newest_artifact("reconcile-bucket").data
    report = reconcile_bucket(repair=repair, max_orphan_percent=100)
    assert report.count == 3
    assert queue().keys() == (keys if repair else set())


def test_objects_that_wait_for_their_message_to_be_saved_do_not_look_like_lost_messages(
    add_user, add_conversation, add_message, all_are_old, stored
):
    learner = add_user()
    conversation = add_conversation(user_id=learner)
    for number in range(3):
        key = f"audio/{learner}/{conversation}/m{number}_1760000000000.wav"
        storage.bucket().put(key, bytes(48_000), "audio/pcm16")
        add_message(id=f"m{number}", conversation_id=conversation, audio_storage_key=None)
    assert reconcile_bucket().adopted == 3
    assert "before the message was saved: 3 objects" in newest_artifact("reconcile-bucket").data
    report = reconcile_bucket(repair=True)
    assert (report.adopted, report.findings) == (3, ())
    assert "now attached and waiting for analysis" in newest_artifact("reconcile-bucket").data
    assert stored("m0").audio_processing_state == "uploaded"


def test_a_bucket_that_is_away_is_waited_for(record, faulty_bucket, monkeypatch):
    monkeypatch.setattr(list_chunk, "retry_delay_seconds", [0])
    record("audio/1")
    faulty_bucket.on("ListObjectsV2", answered(503, "SlowDown"), times=5)
    assert reconcile_bucket().objects == 1
    assert faulty_bucket.count("ListObjectsV2") == 6


def test_a_refusal_is_not_waited_out(record, faulty_bucket):
    record("audio/1")
    faulty_bucket.on("ListObjectsV2", answered(403, "AccessDenied"))
    with pytest.raises(StorageDenied):
        reconcile_bucket()
    assert faulty_bucket.count("ListObjectsV2") == 1


def test_the_form_describes_its_parameters():
    properties = reconcile_bucket.parameters.model_dump()["properties"]
    assert all(field.get("description") for field in properties.values())
    assert properties["repair"]["default"] is False
    assert properties["min_age_days"]["minimum"] == 1
