from datetime import timedelta

import pytest

from schema.facts.analysis import EngineRelease
from schema.facts.backfill import BackfillRequest
from schema.facts.quality import BrokenRule
from schema.states import BackfillSelection
from stores.backfill import selection
from stores.deletion import erasure
from stores.quality import quarantine
from tests.conftest import FIRST_MESSAGE_AT
from tests.support.backfilling import RELEASE

MINUTE = timedelta(minutes=1)


@pytest.fixture
def plan(engine):
    """Plan a backfill."""

    def _plan(kind=BackfillSelection.ALL, release=RELEASE, current=(), **request):
        asked = BackfillRequest(kind, **request)
        with engine.begin() as connection:
            return selection.plan(connection, asked, release, current or [release], ("en",))

    return _plan


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
    # None of these is ever selected.
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


LARGE = EngineRelease("kaiwa-large", "2.0", "en-large-new")


@pytest.fixture
def by_both_engines(add_scored):
    """Messages with analyses by both engines, by kind."""
    large = {"analysis_engine": "kaiwa-large", "analysis_model_version": "en-large-new"}
    return {
        "older": add_scored(),
        "older large": add_scored(**large),
        "current": add_scored(analysis_version="2.0", analysis_model_version="en-new"),
        "current large": add_scored(**large, analysis_version="2.0"),
        "models of the other": add_scored(
            analysis_version="2.0", analysis_model_version="en-large-new"
        ),
        "newer": add_scored(analysis_version="2.1"),
    }


@pytest.mark.parametrize("current", [(RELEASE, LARGE), (LARGE,)])
def test_analyses_by_other_engines_are_outdated_unless_their_release_is_current_too(
    by_both_engines, plan, chosen, current
):
    kinds = {"older", "older large", "models of the other"}
    if RELEASE not in current:
        kinds.add("current")
    expected = {by_both_engines[kind] for kind in kinds}
    found = plan(BackfillSelection.OUTDATED, LARGE, current)
    assert (found.messages, found.newer) == (len(expected), 1)
    assert set(chosen(BackfillSelection.OUTDATED, release=LARGE, current=current)) == expected


def test_a_plan_counts_what_it_skips(history, plan, add_scored, freeze):
    add_scored(language="ja")
    found = plan()
    assert (found.messages, found.newer, found.gone, found.done) == (8, 2, 1, 0)
    assert found.unknown_languages == {"ja": 1}
    freeze()
    assert (plan().messages, plan().done) == (0, 8)


def test_a_plan_counts_audio_and_bytes_from_stored_columns(add_scored, plan):
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


def test_a_language_of_another_country_is_the_same_language(add_scored, add_conversation, chosen):
    ids = [
        add_scored(message={"conversation_id": add_conversation(language)})
        for language in ("en-US", "EN", "en-GB-oxendict")
    ]
    assert set(chosen(languages=("en",))) == set(ids)


def test_erased_learners_are_left_alone(add_user, add_conversation, add_scored, engine, chosen):
    user = add_user()
    add_scored(message={"conversation_id": add_conversation(user_id=user)})
    with engine.begin() as connection:
        erasure.begin(connection, user, reason="request 3")
    assert chosen() == []
