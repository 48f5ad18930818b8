from uuid import uuid4

import sqlalchemy as sa

from stores.backfill import backfills
from tests.conftest import FIRST_MESSAGE_AT


def test_a_backfill_stops_with_its_run_and_continues_with_the_next_one(add_scored, freeze, engine):
    add_scored()
    number, first, second = freeze(), uuid4(), uuid4()
    with engine.begin() as connection:
        backfills.drive(connection, number, flow_run_id=first)
        assert backfills.stop(connection, second) == []
        assert backfills.stop(connection, first) == [number]
        assert backfills.get(connection, number).stopped
        backfills.drive(connection, number, flow_run_id=second)
        assert not backfills.get(connection, number).stopped
        assert backfills.stop(connection, first) == []


def test_the_first_approval_is_kept(add_scored, freeze, engine):
    add_scored()
    number = freeze(approved_by=None)
    with engine.begin() as connection:
        assert backfills.get(connection, number).approved_by is None
        backfills.approve(connection, number, approved_by="Mori")
        backfills.approve(connection, number, approved_by="Sato")
        assert backfills.get(connection, number).approved_by == "Mori"
        assert backfills.get(connection, number + 1) is None


def test_the_request_is_kept_for_people(add_scored, freeze, engine):
    add_scored()
    number = freeze(start=FIRST_MESSAGE_AT, languages=("en",))
    with engine.connect() as connection:
        row = connection.execute(
            sa.text("SELECT * FROM audio_ops.backfill WHERE id = :id"), {"id": number}
        ).one()
    assert row.selection["start"] == FIRST_MESSAGE_AT.isoformat()
    assert row.selection["languages"] == ["en"]
    assert row.engine_version == "kaiwa 2.0 (en-new)"
    assert row.selected == 1


def test_a_run_finds_the_backfill_that_it_drove(add_scored, freeze, engine):
    add_scored()
    number, run = freeze(), uuid4()
    with engine.begin() as connection:
        assert backfills.driven_by(connection, run) is None
        backfills.drive(connection, number, flow_run_id=run)
        assert backfills.driven_by(connection, run) == number
