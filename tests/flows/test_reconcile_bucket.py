"""The reconciliation under Prefect: its form, its artifacts, how it ends."""

import logging

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

from flows.reconcile_bucket import reconcile_bucket
from schema.errors import RecordingsMissing, StorageDenied
from schema.states import FindingKind
from tasks import resources
from tasks.reconcile_bucket import list_chunk
from tests.faulty_bucket import answered

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
        resources.bucket().put(key, b"data", "audio/wav")
        add_message(audio_storage_key=key, audio_size_bytes=size)

    return _record


def test_findings_are_published_and_warned_of_and_the_run_is_green(record, add_message, caplog):
    record("audio/good")
    record("audio/size", size=5)
    add_message(audio_storage_key="audio/lost")
    resources.bucket().put("audio/young", b"data", "audio/wav")
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


def test_a_bucket_without_the_recordings_fails_the_run(add_message):
    add_message()
    with pytest.raises(RecordingsMissing):
        reconcile_bucket()


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
