"""The gate: the cases it opens, and the failures it charges to the writer."""

import pytest
import sqlalchemy as sa

from tasks.analysis.gate import quarantine_broken
from tests.support.quality import AS_OF

pytestmark = pytest.mark.usefixtures("stage")


@pytest.fixture
def gate(engine):
    """Check messages; return the broken rules charged to the writer, and all open cases."""

    def _gate(*message_ids):
        with engine.begin() as connection:
            held = {case.rule for case in quarantine_broken(connection, message_ids, as_of=AS_OF)}
            cases = connection.scalars(sa.text("SELECT rule FROM audio_ops.quarantine"))
            return held, set(cases)

    return _gate


def test_analyses_that_keep_all_rules_pass(add_analysed, gate):
    assert gate(add_analysed(), add_analysed()) == (set(), set())


def test_values_written_by_the_app_open_cases_but_are_not_charged_to_the_writer(add_analysed, gate):
    message_id = add_analysed(
        {"total_pause_duration_ms": 900, "pause_count": 3},
        audio_duration_ms=700,
        audio_storage_key="audio/u/c/m.wav",
        audio_url="https://elsewhere.example/m.wav",
    )
    assert gate(message_id) == (set(), {"timings_in_audio", "pauses_in_audio", "url_is_ours"})


def test_values_written_by_the_analysis_are_charged_to_the_writer(add_analysed, gate):
    message_id = add_analysed(
        {"articulation_rate_wpm": 1, "speech_timings": [{"word": "Hello"}]},
        audio_duration_ms=2,
        fluency_score=1,
    )
    ours = {"articulation_rate", "document_shapes", "quick_scores"}
    assert gate(message_id) == (ours, ours | {"pauses_in_audio"})


def test_warnings_are_left_to_the_daily_check(add_analysed, gate):
    message_id = add_analysed({"average_pause_duration_ms": 298}, audio_size_bytes=1)
    assert gate(message_id) == (set(), set())
