"""History to be analysed again: messages with the analyses of older engines."""

from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from schema.documents import AnalysisRecord
from schema.facts.analysis import EngineRelease
from schema.facts.backfill import BackfillRequest
from schema.states import BackfillSelection
from stores.analysis import analyses
from stores.backfill import backfills, freezing

RELEASE = EngineRelease("kaiwa", "2.0", "en-new")
ANALYZED_AT = datetime(2025, 10, 14, 3, tzinfo=UTC)


def analysis(message_id, accuracy=60, fluency=70, **columns):
    """An analysis by the older engine; without scores if it failed."""
    failed = columns.get("analysis_error") is not None
    return AnalysisRecord(
        **{
            "message_id": message_id,
            "analyzed_at": ANALYZED_AT,
            "analysis_version": "1.0",
            "analysis_engine": "kaiwa",
            "analysis_model_version": "en-old",
            "analysis_language": "en",
            "overall_accuracy_score": None if failed else accuracy,
            "overall_fluency_score": None if failed else fluency,
            "raw_features": {"kept": [1, 2.5, None]},
            **columns,
        }
    )


@pytest.fixture
def add_scored(engine, add_message):
    """Add a message that the live pipeline is done with, and its analysis; return its id."""

    def _add_scored(accuracy=60, fluency=70, language="en", message=None, **columns):
        failed = columns.get("analysis_error")
        message_id = add_message(
            language,
            **{
                "audio_processing_state": "failed" if failed else "analyzed",
                "audio_processing_error": failed,
                "audio_duration_ms": 4000,
                "audio_size_bytes": 128_000,
                "pronunciation_score": None if failed else accuracy,
                "fluency_score": None if failed else fluency,
                **(message or {}),
            },
        )
        with engine.begin() as connection:
            analyses.create(connection, analysis(message_id, accuracy, fluency, **columns))
        return message_id

    return _add_scored


@pytest.fixture
def freeze(engine):
    """Freeze a selection, page by page, and approve it; return the backfill's number."""

    def _freeze(
        selection=BackfillSelection.ALL,
        release=RELEASE,
        fingerprint="a",
        page=3,
        approved_by="Mori",
        current=(),
        **request,
    ):
        current = current or [release]
        asked = BackfillRequest(selection, **request)
        with engine.begin() as connection:
            number = backfills.begin(
                connection, asked, release, fingerprint=fingerprint, reason="a better engine"
            )
        more = True
        while more:
            with engine.begin() as connection:
                more = freezing.freeze_page(
                    connection, number, release, current, ("en",), limit=page
                )
        if approved_by is not None:
            with engine.begin() as connection:
                backfills.approve(connection, number, approved_by=approved_by)
        return number

    return _freeze


@pytest.fixture
def items(engine):
    """Return the rows of a backfill's messages, in the order of work."""

    def _items(backfill_id):
        query = sa.text("SELECT * FROM audio_ops.backfill_item WHERE backfill_id = :id ORDER BY id")
        with engine.connect() as connection:
            return connection.execute(query, {"id": backfill_id}).all()

    return _items
