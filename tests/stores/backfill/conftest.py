"""Fixtures for the backfill stores."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from schema.facts.backfill import FinishedItem
from schema.states import BackfillOutcome
from stores.analysis import analyses
from stores.backfill import leases, outcomes
from stores.backfill import progress as stored_progress
from tests.support.backfilling import RELEASE, analysis

MINUTE = timedelta(minutes=1)
ANALYZED = BackfillOutcome.ANALYZED


@pytest.fixture
def claim(engine):
    """Claim and commit; return the claim."""

    def _claim(backfill_id, limit=10, duration=MINUTE, canary=False):
        with engine.begin() as connection:
            return leases.claim(
                connection,
                backfill_id,
                RELEASE,
                limit=limit,
                owner="test",
                duration=duration,
                canary=canary,
            )

    return _claim


@pytest.fixture
def held(engine):
    """Return the messages that a lease still holds."""

    def _held(claim):
        with engine.begin() as connection:
            return leases.lock_held(connection, claim.token, RELEASE)

    return _held


@pytest.fixture
def write(engine):
    """Write new analyses for all messages of a claim."""

    def _write(claim, accuracy=80, fluency=90):
        ids = [message.message_id for message in claim.messages]
        with engine.begin() as connection:
            leases.lock_held(connection, claim.token, RELEASE)
            outcomes.keep_previous(connection, claim.token, ids)
            records = [
                analysis(
                    id_, accuracy, fluency, analysis_version="2.0", analysis_model_version="en-new"
                )
                for id_ in ids
            ]
            analyses.upsert(connection, records)
            finished = [FinishedItem(id_, ANALYZED, audio_ms=4000, cpu_ms=50) for id_ in ids]
            outcomes.finish(connection, claim.token, finished)

    return _write


@pytest.fixture
def progress(engine):
    def _progress(backfill_id, **options):
        with engine.connect() as connection:
            return stored_progress.count(connection, backfill_id, **options)

    return _progress


@pytest.fixture
def execute(engine):
    def _execute(statement, **arguments):
        with engine.begin() as connection:
            connection.execute(sa.text(statement), arguments)

    return _execute


@pytest.fixture
def chosen(freeze, items):
    """Freeze a selection; return its messages in the order of work."""

    def _chosen(*arguments, **request):
        return [item.message_id for item in items(freeze(*arguments, **request))]

    return _chosen
