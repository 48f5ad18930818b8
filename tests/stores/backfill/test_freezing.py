from concurrent.futures import ThreadPoolExecutor

import pytest

from schema.facts.analysis import EngineRelease
from schema.facts.backfill import BackfillRequest
from schema.states import BackfillSelection
from stores.backfill import backfills, freezing
from tests.conftest import FIRST_MESSAGE_AT
from tests.support.backfilling import RELEASE


@pytest.mark.parametrize("newest_first", [True, False])
@pytest.mark.parametrize("page", [1, 2, 5, 100])
def test_work_begins_at_the_chosen_end(add_scored, freeze, items, newest_first, page):
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
                more = freezing.freeze_page(
                    connection, number, RELEASE, [RELEASE], ("en",), limit=2
                )

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
