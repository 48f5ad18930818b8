from datetime import timedelta
from uuid import uuid4

import sqlalchemy as sa

from schema.facts.analysis import MessageRetry
from schema.facts.backfill import FinishedItem
from schema.states import BackfillOutcome
from stores.analysis import analyses
from stores.backfill import backfills, leases, outcomes
from tests.support.backfilling import analysis

MINUTE = timedelta(minutes=1)
ANALYZED = BackfillOutcome.ANALYZED


def test_another_lease_finishes_nothing(add_scored, freeze, claim, progress, engine):
    message_id = add_scored()
    number = freeze()
    claim(number)
    with engine.begin() as connection:
        outcomes.finish(connection, uuid4(), [FinishedItem(message_id, ANALYZED)])
        leases.put_back(connection, uuid4(), [MessageRetry(message_id, MINUTE, 9, 9)])
    assert progress(number).open == 1
    with engine.connect() as connection:
        assert backfills.get(connection, number).selected == 1


def test_a_copy_from_before_the_backfill_is_not_replaced(add_scored, freeze, claim, engine):
    message_id = add_scored(accuracy=60)
    claimed = claim(freeze())
    with engine.begin() as connection:
        for accuracy in (80, 90):
            outcomes.keep_previous(connection, claimed.token, [message_id])
            analyses.upsert(connection, [analysis(message_id, accuracy)])
        kept = sa.text(
            "SELECT document -> 'analysis' ->> 'overall_accuracy_score'"
            " FROM audio_ops.backfill_previous"
        )
        assert connection.execute(kept).scalar_one() == "60"
