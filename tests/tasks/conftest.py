"""Fixtures of the reconciliation: objects uploaded by others, and a run of its tasks."""

from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from tasks.reconciliation.adoption import adopt_page, count_adoptable
from tasks.reconciliation.findings import check_chunk, compare, finish_reconciliation, queue_orphans
from tasks.reconciliation.listing import begin_reconciliation, list_chunk
from tasks.resources import storage

# A test cannot upload an old object, so the limit moves: all objects are old, or none.
ALL_ARE_OLD = datetime(2100, 1, 1, tzinfo=UTC)
NONE_IS_OLD = datetime(2000, 1, 1, tzinfo=UTC)


@pytest.fixture
def put():
    """Upload an object; return its key."""

    def _put(key, data=b"data", content_type="audio/pcm16"):
        # Without our own check of keys: others write to the bucket, too.
        storage.bucket().client.put_object(
            Bucket=storage.bucket().name, Key=key, Body=data, ContentType=content_type
        )
        return key

    return _put


@pytest.fixture
def rows(engine):
    """Return all rows of a query."""

    def _rows(query):
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(query))]

    return _rows


@pytest.fixture
def reconcile():
    """Reconcile as the flow does, without Prefect."""

    def _reconcile(*, repair=False, older_than=ALL_ARE_OLD):
        run = begin_reconciliation.fn()
        while not list_chunk.fn(run).complete:
            pass
        comparison = compare.fn(run, older_than=older_than)
        adopted = 0 if repair else count_adoptable.fn(run)
        stray = "" if repair else None
        while stray is not None:
            stray, messages = adopt_page.fn(run, after=stray)
            adopted += messages
        checked = 0
        while checked is not None:
            checked = check_chunk.fn(run, after=checked, older_than=older_than)
        if repair:
            queue_orphans.fn(run)
        return finish_reconciliation.fn(run, comparison, adopted=adopted)

    return _reconcile
