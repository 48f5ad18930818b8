"""Claimers at once never share a message."""

import multiprocessing
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schema.tables.app import Message
from stores.analysis import leases
from stores.database import connect
from tests.stores.analysis.conftest import MINUTE, ids


def test_rows_that_another_worker_is_claiming_are_skipped(engine, claim, add_message):
    first, second = add_message(), add_message()
    with engine.begin() as connection:
        held = leases.claim(connection, languages=["en"], limit=1, owner="other", duration=MINUTE)
        assert ids(held) == [first]
        assert ids(claim()) == [second]


def _drain(url):
    """Claim in small batches until nothing is left; return all claimed messages."""
    engine = connect(url)
    claimed = []
    while True:
        with engine.begin() as connection:
            claim = leases.claim(
                connection, languages=["en"], limit=7, owner="drain", duration=MINUTE
            )
        if claim is None:
            engine.dispose()
            return claimed
        claimed += ids(claim)


def test_claimers_in_several_processes_and_threads_never_share_a_message(
    engine, database_url, add_conversation
):
    conversation_id = add_conversation()
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO messages (id, conversation_id, role, content, audio_storage_key,"
                " audio_processing_state) SELECT n, :conversation_id, 'user', 'a', n, 'uploaded'"
                " FROM generate_series(1, 1000) AS n"
            ),
            {"conversation_id": conversation_id},
        )
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=spawn) as processes, ThreadPoolExecutor(4) as threads:
        claims = [pool.submit(_drain, database_url) for pool in (processes, threads) * 3]
        claimed = Counter(message_id for claim in claims for message_id in claim.result())
    assert len(claimed) == 1000
    assert set(claimed.values()) == {1}


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25
)
@given(limits=st.lists(st.integers(1, 12), min_size=1, max_size=6))
def test_bites_of_any_size_take_each_message_once_in_order(engine, add_message, limits):
    with engine.begin() as connection:
        connection.execute(sa.delete(Message))
    expected = [add_message() for _ in range(15)]
    claimed = []
    with engine.connect() as connection:
        for limit in limits:
            claim = leases.claim(
                connection, languages=["en"], limit=limit, owner="test", duration=MINUTE
            )
            claimed += [] if claim is None else ids(claim)
    assert claimed == expected[: sum(limits)]
