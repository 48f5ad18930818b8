"""The reconciliation under Prefect: its form, its artifacts, its final state."""

import logging
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

from flows.reconcile_bucket import reconcile_bucket
from schema import clock
from schema.errors.reconciliation import MessagesMissing, OrphansLeft
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


@pytest.fixture
def app_deletes_unnoticed(engine):
    """Delete messages while both the queue and its overflow are locked."""

    def _app_deletes_unnoticed(*keys):
        with engine.begin() as other, engine.begin() as app:
            other.execute(sa.text("LOCK TABLE audio_ops.orphan_object, audio_ops.orphan_overflow"))
            app.execute(
                sa.text("DELETE FROM messages WHERE audio_storage_key = ANY(:keys)"),
                {"keys": list(keys)},
            )

    return _app_deletes_unnoticed


def deployed_parameters(name):
    """Return the parameters of a deployment in prefect.yaml."""
    deployments = yaml.safe_load((Path(__file__).parents[2] / "prefect.yaml").read_text())
    return next(one for one in deployments["deployments"] if one["name"] == name)["parameters"]


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


def test_messages_marked_as_deleted_by_mistake_do_not_cost_their_recordings(
    record, run_sql, queue, all_are_old
):
    for number in range(20):
        record(f"audio/{number}")
    run_sql("UPDATE messages SET audio_deleted_at = '2026-01-01'")
    with pytest.raises(MessagesMissing, match="20 of 20 objects belong to no message or only to"):
        reconcile_bucket(**deployed_parameters("reconcile-bucket"))
    assert queue() == {}


def test_objects_without_a_message_for_long_fail_the_run_unless_they_are_queued(
    record, queue, all_are_old
):
    for number in range(9):
        record(f"audio/{number}")
    storage.bucket().put("audio/stray", b"data", "audio/wav")
    assert reconcile_bucket().count == 1  # by default it alerts nobody
    assert reconcile_bucket(alert_after_days=31).count == 1
    with pytest.raises(OrphansLeft, match="1 object older than 14 days belongs to no message"):
        reconcile_bucket(alert_after_days=14)
    assert '"audio/stray"' in newest_artifact("reconcile-bucket").data
    assert reconcile_bucket(repair=True, alert_after_days=14).findings[0].queued == 1
    assert queue().keys() == {"audio/stray"}


def test_a_key_that_no_sweep_may_delete_fails_the_run_even_with_repair(record, queue, all_are_old):
    record("audio/1")
    bucket = storage.bucket()
    bucket.client.put_object(Bucket=bucket.name, Key="audio/a\tb", Body=b"data")
    with pytest.raises(OrphansLeft, match="not one of ours"):
        reconcile_bucket(repair=True, alert_after_days=14)
    assert queue() == {}


def test_as_deployed_it_repairs_within_bounds_and_alerts(
    record, queue, all_are_old, app_deletes_unnoticed
):
    """What the trigger missed is found and queued by the next weekly run."""
    parameters = deployed_parameters("reconcile-bucket")
    for number in range(40):
        record(f"audio/{number}")
    app_deletes_unnoticed("audio/0")
    reconcile_bucket(**parameters)
    assert queue().keys() == {"audio/0"}
    app_deletes_unnoticed("audio/1", "audio/2", "audio/3")
    with pytest.raises(MessagesMissing):
        reconcile_bucket(**parameters)
    assert queue().keys() == {"audio/0"}


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
