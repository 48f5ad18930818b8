"""A chunk of a backfill may run on a different machine than its flow."""

import pytest

from schema.errors.backfill import EngineChanged
from schema.facts.analysis import EngineRelease
from tasks.backfill.chunk import analyze_backfill_chunk
from tests.support.backfilling import RELEASE


@pytest.mark.usefixtures("stage")
@pytest.mark.parametrize(
    "release",
    [RELEASE, EngineRelease("kaiwa-large", "0.1", "en"), EngineRelease("other", "9", "x")],
)
def test_a_machine_with_another_engine_claims_nothing(
    add_scored, freeze, items, noon, release, monkeypatch
):
    monkeypatch.setenv("KAIWA_ENGINE", "misspelt")  # concerns only new backfills
    add_scored()
    backfill_id = freeze(release=release)  # not installed anywhere
    before = items(backfill_id)
    with pytest.raises(EngineChanged, match=f"requires {release.engine} "):
        analyze_backfill_chunk.fn(
            backfill_id, 10, canary=False, max_attempts=1, workers=1, as_of=noon
        )
    assert items(backfill_id) == before
