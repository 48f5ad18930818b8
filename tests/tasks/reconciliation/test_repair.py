"""Which orphans a repair queues for the sweep."""

from datetime import UTC, datetime

import pytest

from tasks.reconciliation.findings import check_chunk, compare, queue_orphans
from tasks.reconciliation.listing import begin_reconciliation, list_chunk
from tasks.resources import storage
from tests.tasks.conftest import ALL_ARE_OLD, NONE_IS_OLD

pytestmark = pytest.mark.usefixtures("stage")


def test_repair_queues_old_orphans_with_what_is_known_of_them(
    record, put, reconcile, rows, add_user, add_conversation
):
    learner = add_user()
    conversation = add_conversation(user_id=learner)
    put("audio/orphan", b"12345")
    record(
        "audio/deleted",
        id="deleted",
        conversation_id=conversation,
        audio_deleted_at=datetime(2025, 11, 1, tzinfo=UTC),
    )
    record("audio/alive")
    report = reconcile(repair=True)
    assert [finding.queued for finding in report.findings] == [1, 1]
    queued = rows(
        "SELECT storage_key, source, size_bytes, message_id, conversation_id, user_id"
        " FROM audio_ops.orphan_object ORDER BY storage_key"
    )
    assert queued == [
        ("audio/deleted", "reconciliation", 4, "deleted", conversation, learner),
        ("audio/orphan", "reconciliation", 5, None, None, None),
    ]
    assert storage.bucket().head("audio/orphan")  # the sweep deletes, not this


def test_without_repair_nothing_is_queued(put, reconcile, rows):
    put("audio/orphan")
    reconcile()
    assert rows("SELECT * FROM audio_ops.orphan_object") == []


def test_a_young_orphan_is_not_queued(put, reconcile, rows):
    put("audio/orphan")
    reconcile(repair=True, older_than=NONE_IS_OLD)
    assert rows("SELECT * FROM audio_ops.orphan_object") == []


def test_an_orphan_that_a_message_names_meanwhile_is_not_queued(put, add_message, rows):
    put("audio/orphan")
    run = begin_reconciliation.fn()
    list_chunk.fn(run)
    compare.fn(run, older_than=ALL_ARE_OLD)
    check_chunk.fn(run, after=0, older_than=ALL_ARE_OLD)
    add_message(audio_storage_key="audio/orphan", audio_processing_state="uploading")
    assert queue_orphans.fn(run) == 0
    assert rows("SELECT * FROM audio_ops.orphan_object") == []


def test_an_orphan_in_the_queue_keeps_what_is_known_of_it(put, reconcile, rows, do):
    put("audio/orphan")
    do(
        "INSERT INTO audio_ops.orphan_object (storage_key, source, message_id)"
        " VALUES ('audio/orphan', 'message_deleted', 'gone')"
    )
    [finding] = reconcile(repair=True).findings
    assert finding.queued == 1
    assert rows("SELECT source, message_id FROM audio_ops.orphan_object") == [
        ("message_deleted", "gone")
    ]


def test_an_object_of_several_deleted_messages_is_queued_without_an_owner(
    put, add_message, rows, reconcile
):
    put("audio/shared")
    for message_id in ("first", "second"):
        add_message(
            id=message_id,
            audio_storage_key="audio/shared",
            audio_deleted_at=datetime(2025, 11, 1, tzinfo=UTC),
        )
    reconcile(repair=True)
    assert rows("SELECT storage_key, message_id, user_id FROM audio_ops.orphan_object") == [
        ("audio/shared", None, None)
    ]
