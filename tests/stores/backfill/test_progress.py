import sqlalchemy as sa

from schema.facts.backfill import FinishedItem
from schema.states import BackfillOutcome, FailureCause
from stores.backfill import outcomes
from stores.backfill import progress as stored_progress

ANALYZED, FAILED = BackfillOutcome.ANALYZED, BackfillOutcome.FAILED


def ids(claim):
    return [message.message_id for message in claim.messages]


def test_deleted_messages_are_counted_as_gone(add_scored, freeze, claim, held, execute, progress):
    message_id = add_scored()
    number = freeze()
    claimed = claim(number)
    execute("DELETE FROM messages WHERE id = :id", id=message_id)
    assert held(claimed) == {}
    found = progress(number)
    assert (found.selected, found.open, found.done) == (1, 0, 1)
    assert found.outcomes == {BackfillOutcome.GONE: 1}


def test_progress_counts_outcomes_causes_and_time(
    add_scored, freeze, claim, write, progress, engine
):
    for _ in range(3):
        add_scored()
    number = freeze(canary_size=1)
    write(claim(number, canary=True))
    other = claim(number, limit=1)
    with engine.begin() as connection:
        done = [FinishedItem(ids(other)[0], FAILED, FailureCause.NO_SPEECH)]
        outcomes.finish(connection, other.token, done)
    with engine.begin() as connection:
        assert stored_progress.count_open(connection, number) == 1
    found = progress(number)
    assert found.outcomes == {ANALYZED: 1, FAILED: 1}
    assert (found.open, found.done, found.causes) == (1, 2, {"no_speech": 1})
    assert (found.audio_seconds, found.cpu_seconds) == (4, 0.05)
    assert (progress(number, canary=True).selected, progress(number, canary=True).open) == (1, 0)


def test_an_app_that_deletes_messages_finds_its_items_by_index(add_scored, freeze, engine):
    for _ in range(3):
        add_scored()
    freeze()
    with engine.begin() as connection:
        connection.execute(sa.text("SET LOCAL enable_seqscan = off"))
        plan = connection.execute(
            sa.text("EXPLAIN DELETE FROM audio_ops.backfill_item WHERE message_id = 'message-1'")
        ).scalars()
        assert "backfill_item_message_id_idx" in "\n".join(plan)
