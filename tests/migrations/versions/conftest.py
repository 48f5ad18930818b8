"""Fixtures: analysed messages, and the views that the app reads."""

from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

MONDAY = datetime(2025, 10, 13, tzinfo=UTC)
FACTS = {
    "overall_accuracy_score": 71,
    "overall_fluency_score": 64,
    "speech_rate_wpm": 96,
    "articulation_rate_wpm": 120,
    "pause_count": 1,
    "hesitation_count": 2,
    "total_speech_duration_ms": 24_000,
    "total_pause_duration_ms": 6_000,
}
TIMINGS = (
    {"word": "um", "startMs": 0, "endMs": 200, "charStart": 0, "charEnd": 2, "isHesitation": True},
    {"word": "", "startMs": 200, "endMs": 400, "charStart": 2, "charEnd": 2, "isHesitation": True},
    {"word": "think", "startMs": 1500, "endMs": 1800, "charStart": 3, "charEnd": 8},
    {"word": "", "startMs": 400, "endMs": 1500, "charStart": 2, "charEnd": 2, "isPause": True},
)
ISSUE = "The first sound /θ/, as in “three”, sounded like /s/, as in “sun”."
WEAK = {
    "word": "think",
    "issue": ISSUE,
    "severity": "high",
    "startMs": 1500,
    "endMs": 1800,
    "suggestion": "Say it slowly.",
}


def phoneme(phoneme, score, *issues):
    said = {"phoneme": phoneme, "word": "w", "accuracyScore": score, "startMs": 0, "endMs": 9}
    return said | ({"expectedPhoneme": phoneme, "issues": issues} if issues else {})


SOUNDS = (
    phoneme("θ", 20, "heard as /s/"),
    phoneme("θ", 41, "heard as /t/"),
    phoneme("θ", 30.5, "heard as /s/"),
    phoneme("k", 90),
)
DOCUMENTS = {
    "speech_timings": TIMINGS,
    "phoneme_analysis": SOUNDS,
    "problematic_words": (WEAK,),
    "recommendations": ("Practise /θ/.", "Link your words."),
    "practice_words": ("think", "three"),
}


@pytest.fixture
def say(add_analysed):
    """Add a learner's analysed message; return its id."""

    def _say(conversation_id, analysis=None, **message):
        facts = {**FACTS, **DOCUMENTS, **(analysis or {})}
        return add_analysed(facts, conversation_id=conversation_id, **message)

    return _say


@pytest.fixture
def rows(engine):
    """Read a view."""

    def _rows(view, where="true", **arguments):
        query = sa.text(f"SELECT * FROM audio_ops.{view} WHERE {where}")
        with engine.connect() as connection:
            return connection.execute(query, arguments).all()

    return _rows
