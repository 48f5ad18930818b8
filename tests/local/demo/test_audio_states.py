"""The demo sees what is left of a recording, in the table, in the bucket and behind its URL."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from local.demo.audio_states import (
    GONE,
    AudioState,
    fetch,
    read_audio,
    read_deletions,
    read_urls,
    surprises,
)
from schema.facts.deletion import IntendedDeletion
from schema.states import DeletionReason
from stores.deletion import ledger
from tasks.resources import storage

THERE = AudioState(is_live=True, has_url=True, is_stored=True, has_scores=True)


def test_table_and_bucket_are_both_asked(engine, record, now):
    live = record(pronunciation_score=80)
    lost = record(audio=None, audio_url=None)
    deleted = record(audio_deleted_at=now)
    states = read_audio(engine, storage.bucket(), [live, lost, deleted])
    assert states == {
        live: THERE,
        lost: AudioState(is_live=True, has_url=False, is_stored=False, has_scores=False),
        deleted: AudioState(is_live=False, has_url=True, is_stored=True, has_scores=False),
    }


def test_urls_are_read_where_there_are_any(engine, record):
    with_url, without = record(), record(audio_url=None)
    assert read_urls(engine, [with_url, without]) == {with_url: "https://example.org/signed"}


def test_the_ledgers_entries_about_some_messages_are_read(engine, record):
    ours, other = record(), record()
    with engine.begin() as connection:
        deletions = [
            IntendedDeletion(
                storage_key=f"audio/{m}", message_id=m, reason=DeletionReason.RETENTION
            )
            for m in (ours, other)
        ]
        ledger.intend(connection, deletions)
    assert read_deletions(engine, [ours]) == [(ours, "intended")]


def test_a_url_answers_as_the_bucket_does(stage):
    storage.bucket().put("audio/u/c/m.wav", b"RIFF", "audio/wav")
    signer = storage.signer().dated(datetime.now(UTC))
    assert fetch(signer.sign("audio/u/c/m.wav", 60)) == 200
    assert fetch(signer.sign("audio/u/c/gone.wav", 60)) == 404


@pytest.mark.parametrize("part", ["is_live", "has_url", "is_stored", "has_scores"])
def test_any_difference_is_a_surprise(part):
    before = {"stays": THERE, "goes": THERE}
    assert surprises(before, {"stays": THERE, "goes": GONE}, gone=["goes"]) == []
    changed = replace(THERE, **{part: not getattr(THERE, part)})
    assert surprises(before, {"stays": changed, "goes": GONE}, gone=["goes"]) == ["stays"]
    half_gone = replace(GONE, **{part: not getattr(GONE, part)})
    assert surprises(before, {"stays": THERE, "goes": half_gone}, gone=["goes"]) == ["goes"]


def test_a_message_that_vanished_is_a_surprise():
    assert surprises({"one": THERE}, {}, gone=[]) == ["one"]
