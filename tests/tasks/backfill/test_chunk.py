"""A chunk of a backfill may run on a different machine than its flow."""

import pytest

from schema.errors.backfill import EngineChanged
from tasks.backfill.chunk import analyze_backfill_chunk


@pytest.mark.usefixtures("stage")
def test_a_machine_with_another_engine_claims_nothing(add_scored, freeze, items, noon):
    add_scored()
    backfill_id = freeze()  # for a version that is not installed anywhere
    before = items(backfill_id)
    with pytest.raises(EngineChanged):
        analyze_backfill_chunk.fn(
            backfill_id, 10, canary=False, max_attempts=1, workers=1, as_of=noon
        )
    assert items(backfill_id) == before
