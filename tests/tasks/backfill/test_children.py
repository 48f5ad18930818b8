"""The child runs of a backfill: started, replaced and abandoned, on real rows.

The Prefect server is a stub: waiting for hanging children would take hours.
"""

from datetime import timedelta
from uuid import uuid4

import pytest

from policy.backfill import MOST_STARTED_IN_VAIN, STUCK_AFTER
from schema.errors.backfill import BackfillStalled
from schema.facts.backfill import BackfillChild
from tasks.backfill import children as module
from tasks.backfill.children import BackfillChildren

pytestmark = pytest.mark.usefixtures("stage")


class Server:
    """Records started runs, and reports a child as ended after `end` was called."""

    def __init__(self):
        self.started, self._working, self._ended = [], {}, set()

    def start_child(self, backfill_id, place, chunk_size, after=None):
        child = BackfillChild(uuid4(), 0 if after is None else after.generation + 1)
        self.started.append((backfill_id, place, child.generation, chunk_size))
        self._working[place] = child
        return child

    def has_ended(self, child):
        return child.run_id in self._ended

    def end(self, *places):
        self._ended |= {self._working[place].run_id for place in places}


@pytest.fixture
def server(monkeypatch):
    server = Server()
    monkeypatch.setattr(module, "start_child", server.start_child)
    monkeypatch.setattr(module, "has_ended", server.has_ended)
    return server


@pytest.fixture
def backfill_id(add_scored, freeze):
    for _ in range(2):
        add_scored()
    return freeze()


def test_each_place_has_a_child_and_another_one_when_it_ends(server, backfill_id):
    children = BackfillChildren(backfill_id, 2, chunk_size=10)
    assert children.keep_going()
    assert children.keep_going()
    first = [(backfill_id, 0, 0, 10), (backfill_id, 1, 0, 10)]
    assert server.started == first
    server.end(1)
    assert children.keep_going()
    assert server.started == [*first, (backfill_id, 1, 1, 10)]


def test_nothing_is_started_when_nothing_is_left(server, backfill_id, run_sql):
    run_sql("UPDATE audio_ops.backfill_item SET outcome = 'analyzed'")
    assert not BackfillChildren(backfill_id, 2, chunk_size=10).keep_going()
    assert server.started == []


def test_a_stopped_backfill_lets_its_children_end_and_starts_no_others(
    server, backfill_id, run_sql
):
    children = BackfillChildren(backfill_id, 2, chunk_size=10)
    children.keep_going()
    run_sql("UPDATE audio_ops.backfill SET stopped_at = now()")
    assert children.keep_going()
    server.end(0)
    assert not children.keep_going()
    assert len(server.started) == 2


def test_children_without_progress_are_abandoned(server, backfill_id, run_sql):
    children = BackfillChildren(backfill_id, 1, chunk_size=10)
    for _ in range(MOST_STARTED_IN_VAIN):
        children.keep_going()
        server.end(0)
    run_sql("UPDATE audio_ops.backfill_item SET outcome = 'analyzed' WHERE message_id LIKE '%0'")
    for _ in range(MOST_STARTED_IN_VAIN):
        assert children.keep_going()
        server.end(0)
    with pytest.raises(BackfillStalled) as caught:
        children.keep_going()
    assert (caught.value.still_open, caught.value.started) == (1, MOST_STARTED_IN_VAIN)
    assert len(server.started) == 2 * MOST_STARTED_IN_VAIN


def test_a_stall_counts_the_children_that_were_started_also_those_still_at_work(
    server, backfill_id
):
    children = BackfillChildren(backfill_id, 2, chunk_size=10)
    while len(server.started) < 2 * MOST_STARTED_IN_VAIN:
        assert children.keep_going()
        server.end(1)
    with pytest.raises(BackfillStalled, match="6 workers were started, none has finished"):
        children.keep_going()


def test_children_that_hang_are_replaced(server, backfill_id, monkeypatch):
    children = BackfillChildren(backfill_id, 2, chunk_size=10)
    children.keep_going()
    later = module.time.monotonic() + (STUCK_AFTER + timedelta(seconds=1)).total_seconds()
    monkeypatch.setattr(module.time, "monotonic", lambda: later)
    assert children.keep_going()
    assert [generation for _, _, generation, _ in server.started] == [0, 0, 1, 1]
    assert children.keep_going()
    assert len(server.started) == 4
