"""The erasure under Prefect: its receipt, its errors, and nothing that identifies the learner."""

import logging
import re
from uuid import uuid4

import pytest
import sqlalchemy as sa
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

from flows.erase_learner import erase_learner
from schema.errors.deletion import ErasureIncomplete, LearnerHeld
from schema.states import HoldScope
from stores.deletion import holds, ledger
from tests.support.erasing import TEXT
from tests.support.faulty_bucket import refused

pytestmark = [pytest.mark.flow, pytest.mark.usefixtures("prefect_server", "stage")]

REASON = "Hana wrote to us on Monday"


@pytest.fixture
def receipts():
    """Return the artifact's texts, newest first."""

    def _receipts():
        with get_client(sync_client=True) as client:
            artifacts = client.read_artifacts(
                artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=["erase-learner"]))
            )
        newest_first = sorted(artifacts, key=lambda artifact: artifact.created, reverse=True)
        return [f"{artifact.description}\n{artifact.data}" for artifact in newest_first]

    return _receipts


@pytest.fixture
def tombstone(engine):
    def _tombstone():
        with engine.connect() as connection:
            return connection.execute(sa.text("SELECT * FROM audio_ops.erased_learner")).one()

    return _tombstone


def test_a_dry_run_is_the_default_and_only_counts(learner, add_recording, everything, receipts):
    add_recording(learner)
    before = everything(learner)
    found = erase_learner(learner.user_id, REASON)
    assert (found.messages, found.objects) == (1, 1)
    assert everything(learner) == before
    assert "Dry run: nothing was changed." in receipts()[0]
    assert "| Objects in the bucket | 1 |" in receipts()[0]


def test_the_receipt_shows_what_was_erased_and_what_the_app_must_do(
    learner, add_recording, receipts, tombstone, engine
):
    add_recording(learner)
    erased = erase_learner(learner.user_id, REASON, dry_run=False)
    assert (erased.messages, erased.objects, erased.analyses, erased.history) == (1, 1, 1, 1)
    receipt = receipts()[0]
    with engine.connect() as connection:
        head = ledger.head(connection)
    assert str(tombstone().receipt) in receipt
    assert tombstone().completed_at is not None
    assert f"`{head}`" in receipt
    assert "| Objects in the bucket | 1 |" in receipt
    assert "**Complete.**" in receipt
    assert "The app must still erase" in receipt
    erase_learner(learner.user_id, REASON, dry_run=False)
    assert str(tombstone().receipt) in receipts()[0]


def test_remaining_data_fails_the_run_after_its_receipt(
    learner, add_recording, read_message, faulty_bucket, receipts
):
    bad, _ = add_recording(learner), add_recording(learner)
    faulty_bucket.on("DeleteObjects", refused({read_message(bad).audio_storage_key}))
    with pytest.raises(
        ErasureIncomplete, match="1 message still refers to a recording, 1 object remains"
    ):
        erase_learner(learner.user_id, REASON, dry_run=False)
    assert "Not complete; run it again." in receipts()[0]
    faulty_bucket.heal()
    erase_learner(learner.user_id, REASON, dry_run=False)
    assert "Complete." in receipts()[0]


def test_logs_states_and_artifacts_do_not_identify_the_learner(
    learner, add_recording, read_message, faulty_bucket, engine, caplog, receipts
):
    bad, good = add_recording(learner), add_recording(learner, audio_storage_key="audio/e/1.wav")
    key = read_message(bad).audio_storage_key
    faulty_bucket.on("DeleteObjects", refused({key}))
    caplog.set_level(logging.DEBUG)
    for library in ("botocore", "urllib3", "boto3", "s3transfer"):  # they log whole requests
        caplog.set_level(logging.INFO, library)
    with pytest.raises(ErasureIncomplete) as incomplete:
        erase_learner(learner.user_id, REASON, dry_run=False)
    with engine.begin() as connection:
        holds.place(connection, HoldScope.USER, str(learner.user_id), "case 1", "counsel")
    with pytest.raises(LearnerHeld) as held:
        erase_learner(learner.user_id, REASON, dry_run=False)
    with get_client(sync_client=True) as client:
        runs = [*client.read_flow_runs(), *client.read_task_runs()]
    outputs = [
        caplog.text,
        str(incomplete.value),
        str(held.value),
        *receipts(),
        *(f"{run.name} {run.state.message} {run.state.name} {run.tags}" for run in runs),
    ]
    assert len(runs) > 10
    secrets = [learner.user_id, learner.user_id.hex, learner.conversation_id, bad, good, key]
    secrets += ["audio/e/1.wav", TEXT, REASON, "X-Amz-Signature"]
    for secret in secrets:
        assert not any(str(secret) in text for text in outputs), secret


def test_the_form_asks_for_a_uuid_and_a_reason():
    fields = erase_learner.parameters.properties
    assert fields["user_id"]["format"] == "uuid"
    assert re.search(fields["user_id"]["pattern"], str(uuid4()))
    assert not re.search(fields["user_id"]["pattern"], f"{uuid4()}0")
    assert fields["dry_run"]["default"] is True
    assert set(erase_learner.parameters.required) == {"user_id", "reason"}
    assert all(field["description"] for field in fields.values())
