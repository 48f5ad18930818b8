"""Fixtures: messages and analyses that keep all rules, to be broken one by one."""

from datetime import UTC, datetime, timedelta

import orjson
import pytest
import sqlalchemy as sa

from schema.facts.quality import RowScope, RuleFacts
from stores.quality import checked_rows
from stores.quality.rules import analysis_rows, message_rows
from stores.quality.rules.catalogue import INVARIANTS

AS_OF = datetime(2025, 10, 20, 12, tzinfo=UTC)
FACTS = RuleFacts(
    as_of=AS_OF,
    url_prefixes=("https://audio.s3.example/", "https://s3.example/audio/"),
    key_prefix="audio/",
    system_days=7,
    guest_days=1,
    subscription_days={"": 30, "free": 30, "plus": 90, "premium": 365},
    retention_tolerance=timedelta(seconds=1),
    url_expiry_tolerance=timedelta(seconds=60),
    stale_lease=timedelta(hours=1),
    unleased_age=timedelta(days=1),
    document_tolerance_ms=100,
    pcm_tolerance_ms=50,
)
TIMINGS = (
    {"word": "Hello", "startMs": 0, "endMs": 500, "charStart": 0, "charEnd": 5, "confidence": 1},
    {"word": "", "startMs": 500, "endMs": 800, "charStart": 5, "charEnd": 5, "isPause": True},
    {"word": "world", "startMs": 800, "endMs": 1100.5, "charStart": 6, "charEnd": 11},
)
PHONEME = {"phoneme": "h", "word": "Hello", "accuracyScore": 41.5, "startMs": 0, "endMs": 90}
ANALYSIS = {
    "overall_accuracy_score": 85,
    "overall_fluency_score": 78,
    "speech_rate_wpm": 120,
    "articulation_rate_wpm": 160,
    "total_pause_duration_ms": 300,
    "pause_count": 1,
    "average_pause_duration_ms": 300,
    "longest_pause_duration_ms": 300,
    "analysis_language": "en",
    "speech_timings": TIMINGS,
    "phoneme_analysis": (PHONEME,),
    "problematic_words": None,
    "recommendations": ("Slow down.",),
    "practice_words": None,
    "raw_alignment": {"beam": None},
    "raw_features": {},
    "analysis_warnings": (),
    "analysis_error": None,
}
MESSAGE = {
    "audio_processing_state": "analyzed",
    "audio_duration_ms": 2000,
    "audio_size_bytes": 96_000,
    "audio_sample_rate": 24_000,
    "audio_channels": 1,
    "audio_retention_expires_at": AS_OF + timedelta(days=365),
    "pronunciation_score": 85,
    "fluency_score": 78,
    "speech_rate_wpm": 120,
}
DOCUMENTS = (
    "speech_timings", "phoneme_analysis", "problematic_words", "recommendations",
    "practice_words", "raw_alignment", "raw_features", "analysis_warnings",
)  # fmt: skip


def words(*changes, timings=TIMINGS):
    """The three words, with changes by position."""
    changed = [dict(word) for word in timings]
    for position, change in changes:
        changed[position] |= change
    return {"speech_timings": changed}


@pytest.fixture
def add_analysis(engine):
    """Add an analysis that keeps all rules, but for what is given."""

    def _add_analysis(message_id, **columns):
        row = {"message_id": message_id, **ANALYSIS, **columns}
        for name in DOCUMENTS:
            if row[name] is not None:
                row[name] = orjson.dumps(row[name]).decode()
        marks = ", ".join(
            f"CAST(:{name} AS jsonb)" if name in DOCUMENTS else f":{name}" for name in row
        )
        with engine.begin() as connection:
            connection.execute(
                sa.text(f"INSERT INTO message_audio_analysis ({', '.join(row)}) VALUES ({marks})"),
                row,
            )

    return _add_analysis


@pytest.fixture
def add_analysed(add_message, add_analysis):
    """Add an analysed message that keeps all rules, but for what is given; return its id."""

    def _add_analysed(analysis=None, **columns):
        message_id = add_message(**{**MESSAGE, **columns})
        add_analysis(message_id, **(analysis or {}))
        return message_id

    return _add_analysed


def found(connection, scope=None, facts=FACTS):
    """Check, and return what was observed, by rule; of the last message by its id, if several."""
    checked_rows.create(connection, scope or RowScope(), facts)
    observed = {}
    for table, rules in (
        (checked_rows.MESSAGE_TABLE, message_rows.RULES),
        (checked_rows.ANALYSIS_TABLE, analysis_rows.RULES),
    ):
        names = ", ".join(rule.name for rule in rules)
        rows = sa.text(f"SELECT {names} FROM {table} ORDER BY message_id")
        for row in connection.execute(rows).mappings():
            observed |= {rule: seen for rule, seen in row.items() if seen is not None}
    return observed


@pytest.fixture
def check(engine):
    """Check everything in a transaction of its own; return what was observed, by rule."""

    def _check(**arguments):
        with engine.connect() as connection:
            seen = found(connection, **arguments)
            ids = connection.scalars(sa.text("SELECT id FROM messages")).all()
            few = checked_rows.broken_among(connection, ids, FACTS, INVARIANTS)
            # Both ways of asking give one answer.
            assert {case.rule: case.observed for case in few} == seen
            return seen

    return _check


def left_alone(kept):
    """Make the test that messages and analyses which keep all rules break none.

    Args:
        kept: Columns of the message and of its analysis, by what they show.
    """

    @pytest.mark.parametrize(("message", "analysis"), kept.values(), ids=kept)
    def test(add_analysed, check, message, analysis):
        add_analysed(analysis, **message)
        assert check() == {}

    return test


def observed(broken):
    """Make the test that each row breaks one rule, and that its value is observed.

    Args:
        broken: Rule, columns of the message and of its analysis, and what is observed.
    """

    @pytest.mark.parametrize(
        ("rule", "message", "analysis", "observed"), broken, ids=[case[0] for case in broken]
    )
    def test(add_analysed, check, rule, message, analysis, observed):
        add_analysed(analysis, **message)
        assert check() == {rule: observed}

    return test
