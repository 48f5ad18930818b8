from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest
import sqlalchemy as sa

from schema.facts.backfill import BackfillRequest, EngineRelease
from schema.facts.quality import BrokenRule
from schema.states import BackfillSelection
from stores.backfill import backfills
from stores.deletion import erasure
from stores.quality import quarantine
from tests.conftest import FIRST_MESSAGE_AT
from tests.support.backfilling import RELEASE

MINUTE = timedelta(minutes=1)


@pytest.fixture
def plan(engine):
    """Plan a backfill."""

    def _plan(selection=BackfillSelection.ALL, release=RELEASE, **request):
        with engine.begin() as connection:
            return backfills.plan(
                connection, BackfillRequest(selection, **request), release, ("en",)
            )

    return _plan


@pytest.fixture
def chosen(freeze, items):
    """Freeze a selection; return the messages in it, in the order of work."""

    def _chosen(*arguments, **request):
        return [item.message_id for item in items(freeze(*arguments, **request))]

    return _chosen


@pytest.fixture
def history(add_message, add_scored, engine):
    """One message of each kind, by kind."""
    found = {
        "missing": add_message(audio_processing_state="analyzed"),
        "failed": add_scored(analysis_error="silence"),
        "older": add_scored(),
        "other models": add_scored(analysis_version="2.0"),
        "another engine": add_scored(analysis_engine="echogarden", analysis_version="9.9"),
        "odd version": add_scored(analysis_version="v3-beta"),
        "current": add_scored(analysis_version="2.0", analysis_model_version="en-new"),
        "newer": add_scored(analysis_version="2.0.1"),
        "much newer": add_scored(analysis_version="10.0"),
        "broken": add_scored(analysis_version="2.0", analysis_model_version="en-new"),
    }
    with engine.begin() as connection:
        quarantine.set_aside(connection, [BrokenRule(found["broken"], "rule", "odd")])
    # None of these is ever taken.
    add_message(audio_processing_state="uploaded")
    add_message(audio_processing_state="analyzing")
    add_message(audio_processing_state="pending")
    add_message(audio_processing_state="analyzed", audio_storage_key=None)
    add_scored(message={"role": "assistant"})
    add_message(role="assistant", audio_processing_state="analyzed")
    add_scored(message={"audio_deleted_at": FIRST_MESSAGE_AT})
    return found


@pytest.mark.parametrize(
    ("selection", "kinds"),
    [
        (BackfillSelection.MISSING, {"missing"}),
        (BackfillSelection.FAILED, {"failed"}),
        (BackfillSelection.OUTDATED, {"older", "other models", "another engine", "odd version"}),
        (BackfillSelection.QUARANTINED, {"broken"}),
        (
            BackfillSelection.ALL,
            {
                "missing", "failed", "older", "other models", "another engine", "odd version",
                "current", "broken",
            },
        ),
    ],
)  # fmt: skip
def test_a_selection_takes_its_kind_and_never_what_is_newer(
    history, chosen, plan, selection, kinds
):
    expected = {history[kind] for kind in kinds}
    assert plan(selection).messages == len(expected)
    assert set(chosen(selection)) == expected


def test_a_plan_tells_what_it_passes_over(history, plan, add_scored, freeze):
    add_scored(language="ja")
    found = plan()
    assert (found.messages, found.newer, found.gone, found.done) == (8, 2, 1, 0)
    assert found.unknown_languages == {"ja": 1}
    freeze()
    assert (plan().messages, plan().done) == (0, 8)


def test_a_plan_tells_audio_and_bytes_by_what_is_stored(add_scored, plan):
    add_scored()
    add_scored()
    add_scored(analysis_engine="echogarden", message={"audio_duration_ms": None})
    found = plan()
    assert [(group.stored, group.messages) for group in found.groups] == [
        ("kaiwa 1.0", 2),
        ("echogarden 1.0", 1),
    ]
    assert found.audio_seconds == 8
    assert found.bytes == 3 * 128_000


def test_the_window_is_half_open(add_scored, chosen):
    ids = [add_scored() for _ in range(4)]  # a minute apart
    window = {"start": FIRST_MESSAGE_AT + MINUTE, "end": FIRST_MESSAGE_AT + 3 * MINUTE}
    assert set(chosen(**window)) == set(ids[1:3])


def test_only_the_named_conversations_and_languages(add_scored, add_conversation, chosen):
    conversation = add_conversation()
    there = add_scored(message={"conversation_id": conversation})
    add_scored()
    assert chosen(conversation_ids=(conversation,)) == [there]
    assert chosen(languages=("ja",), fingerprint="b") == []


@pytest.mark.parametrize("newest_first", [True, False])
@pytest.mark.parametrize("page", [1, 2, 5, 100])
def test_work_begins_at_the_asked_end(add_scored, freeze, items, newest_first, page):
    ids = [add_scored() for _ in range(6)]
    rows = items(freeze(newest_first=newest_first, canary_size=2, limit=5, page=page))
    assert [row.message_id for row in rows] == (ids[:0:-1] if newest_first else ids[:5])
    assert sum(row.is_canary for row in rows) == 2


def test_messages_of_one_instant_are_all_taken_once(add_scored, freeze, items):
    same = {"timestamp": FIRST_MESSAGE_AT}
    ids = {add_scored(message=same) for _ in range(7)}
    assert sorted(row.message_id for row in items(freeze(page=2))) == sorted(ids)


def test_runs_that_freeze_the_same_backfill_take_turns(add_scored, engine, items):
    ids = [add_scored() for _ in range(20)]
    with engine.begin() as connection:
        request = BackfillRequest(BackfillSelection.ALL)
        number = backfills.begin(connection, request, RELEASE, fingerprint="a", reason="better")

    def work(_):
        more = True
        while more:
            with engine.begin() as connection:
                more = backfills.freeze_page(connection, number, RELEASE, ("en",), limit=2)

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(work, range(3)))
    assert sorted(row.message_id for row in items(number)) == sorted(ids)
    with engine.connect() as connection:
        found = backfills.get(connection, number)
        assert (found.selected, found.frozen) == (20, True)


def test_a_limit_counts_what_is_taken(add_scored, freeze, items, chosen):
    ids = [add_scored() for _ in range(6)]
    assert chosen(limit=2) == ids[:3:-1]
    assert chosen(limit=3, fingerprint="b") == ids[3:0:-1]


def test_a_language_of_another_country_is_the_same_language(add_scored, add_conversation, chosen):
    ids = [
        add_scored(message={"conversation_id": add_conversation(language)})
        for language in ("en-US", "EN", "en-GB-oxendict")
    ]
    assert set(chosen(languages=("en",))) == set(ids)


def test_the_sample_prefers_what_has_a_score_to_compare_with(
    add_message, add_scored, freeze, items
):
    for _ in range(5):
        add_message(audio_processing_state="analyzed")
    scored = {add_scored() for _ in range(2)}
    rows = items(freeze(canary_size=3))
    assert scored <= {row.message_id for row in rows if row.is_canary}


def test_the_same_selection_is_frozen_once(add_scored, freeze, items):
    first = add_scored()
    number = freeze()
    add_scored()
    assert freeze() == number
    assert [item.message_id for item in items(number)] == [first]


def test_a_message_is_in_one_backfill_of_an_engine_version_at_a_time(add_scored, chosen):
    message_id = add_scored()
    assert chosen() == [message_id]
    assert chosen(fingerprint="another reason") == []
    later = EngineRelease("kaiwa", "2.1", "en-new")
    assert chosen(release=later, fingerprint="later") == [message_id]


def test_erased_learners_are_left_alone(add_user, add_conversation, add_scored, engine, chosen):
    user = add_user()
    add_scored(message={"conversation_id": add_conversation(user_id=user)})
    with engine.begin() as connection:
        erasure.begin(connection, user, reason="request 3")
    assert chosen() == []


def test_a_backfill_is_stopped_by_the_run_that_drives_it_and_goes_on_with_the_next(
    add_scored, freeze, engine
):
    add_scored()
    number, first, second = freeze(), uuid4(), uuid4()
    with engine.begin() as connection:
        backfills.drive(connection, number, flow_run_id=first)
        assert backfills.stop(connection, second) == []
        assert backfills.stop(connection, first) == [number]
        assert backfills.get(connection, number).stopped
        backfills.drive(connection, number, flow_run_id=second)
        assert not backfills.get(connection, number).stopped
        assert backfills.stop(connection, first) == []


def test_the_first_approval_stands(add_scored, freeze, engine):
    add_scored()
    number = freeze(approved_by=None)
    with engine.begin() as connection:
        assert backfills.get(connection, number).approved_by is None
        backfills.approve(connection, number, approved_by="Mori")
        backfills.approve(connection, number, approved_by="Sato")
        assert backfills.get(connection, number).approved_by == "Mori"
        assert backfills.get(connection, number + 1) is None


def test_the_request_is_kept_for_people(add_scored, freeze, engine):
    add_scored()
    number = freeze(start=FIRST_MESSAGE_AT, languages=("en",))
    with engine.connect() as connection:
        row = connection.execute(
            sa.text("SELECT * FROM audio_ops.backfill WHERE id = :id"), {"id": number}
        ).one()
    assert row.selection["start"] == FIRST_MESSAGE_AT.isoformat()
    assert row.selection["languages"] == ["en"]
    assert row.engine_version == "kaiwa 2.0 (en-new)"
    assert row.selected == 1


def test_a_run_finds_the_backfill_that_it_drove(add_scored, freeze, engine):
    add_scored()
    number, run = freeze(), uuid4()
    with engine.begin() as connection:
        assert backfills.driven_by(connection, run) is None
        backfills.drive(connection, number, flow_run_id=run)
        assert backfills.driven_by(connection, run) == number
