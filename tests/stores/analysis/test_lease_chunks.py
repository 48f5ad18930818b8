"""Chunks of the queue: each is claimed from its start, and by index."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
import sqlalchemy as sa

from schema.facts.analysis import MessageRetry
from schema.tables.base import UtcDateTime
from stores.analysis import leases
from tests.stores.analysis.conftest import MINUTE, ids


def test_chunks_have_a_start_and_a_size(claim, chunks, add_message):
    english = []
    for _ in range(5):
        add_message("ja")
        english.append(add_message("en"))
    found = chunks(chunk_size=2)
    assert [chunk.start.message_id for chunk in found] == english[::2]
    assert [chunk.size for chunk in found] == [2, 2, 1]
    assert chunks(limit=3, chunk_size=2) == [found[0], replace(found[1], size=1)]
    assert [chunk.size for chunk in chunks(chunk_size=1)] == [1] * 5
    claimed = [ids(claim(limit=chunk.size, start=chunk.start)) for chunk in reversed(found)]
    assert claimed == [english[4:], english[2:4], english[:2]]


def test_a_claim_makes_up_for_what_others_took_with_what_waits_behind(claim, chunks, add_message):
    first, second, third = (add_message() for _ in range(3))
    start = chunks()[0].start
    assert ids(claim(limit=1)) == [first]
    assert ids(claim(limit=2, start=start)) == [second, third]


def test_chunks_leave_out_messages_that_wait_out_a_pause(engine, claim, chunks, add_message):
    paused = add_message()
    token = claim().token
    ready = add_message()
    with engine.begin() as connection:
        leases.put_back(connection, token, [MessageRetry(paused, timedelta(hours=1), 1, 0)])
    assert [(chunk.start.message_id, chunk.size) for chunk in chunks()] == [(ready, 1)]


@pytest.fixture
def claim_plan(engine):
    """Claim one message from a position on; return Postgres' plan with actual row counts.

    The plan must not depend on the small number of rows.
    """

    def _claim_plan(start):
        arguments = {
            "languages": ["en"],
            "said_at": start and start.said_at,
            "first_id": start.message_id if start else "",
            "limit": 1,
            "token": uuid4(),
            "owner": "test",
            "duration": MINUTE,
        }
        explain = sa.text(f"EXPLAIN (ANALYZE, FORMAT JSON) {leases._CLAIM.text}")
        with engine.connect() as connection:
            connection.execute(sa.text("SET enable_seqscan = off"))
            connection.execute(sa.text("SET enable_sort = off"))
            said_at = sa.bindparam("said_at", type_=UtcDateTime)
            return connection.execute(explain.bindparams(said_at), arguments).scalar_one()

    return _claim_plan


def _through_our_index(plan):
    nodes, walks = [plan[0]["Plan"]], []
    while nodes:
        node = nodes.pop()
        nodes += node.get("Plans", [])
        walks += [node] if node.get("Index Name") == "audio_ops_messages_waiting_idx" else []
    return walks


def test_old_backlog_is_claimed_through_our_index(claim_plan, add_message):
    add_message()
    assert _through_our_index(claim_plan(None))


def test_a_claim_reads_nothing_in_front_of_its_start(claim_plan, chunks, add_message):
    for _ in range(20):
        add_message("ja")
    add_message("en")
    (walk,) = _through_our_index(claim_plan(None))
    assert walk["Actual Rows"] == 21
    (walk,) = _through_our_index(claim_plan(chunks()[0].start))
    assert walk["Actual Rows"] == 1
    assert walk.get("Rows Removed by Filter", 0) == 0
