"""Fixtures: statements and legal holds, committed."""

import pytest
import sqlalchemy as sa

from stores.deletion import holds


@pytest.fixture
def execute(engine):
    """Run a statement and commit."""

    def _execute(statement, **arguments):
        with engine.begin() as connection:
            return connection.execute(sa.text(statement), arguments)

    return _execute


@pytest.fixture
def place_hold(engine):
    def _place_hold(scope, subject_id):
        with engine.begin() as connection:
            return holds.place(connection, scope, str(subject_id), "case 1", "counsel").hold_id

    return _place_hold
