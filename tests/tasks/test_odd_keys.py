"""Recordings under odd keys are signed, analysed, checked, reconciled, swept and erased."""

import urllib.request
from datetime import timedelta

import pytest
import sqlalchemy as sa
from hypothesis import example, given
from hypothesis import strategies as st

from policy.configuration import DEFAULT_POLICY, AudioPolicy
from schema.clock import utc_now
from schema.object_keys import MAX_KEY_BYTES
from schema.states import AnalysisEngine, CheckScope, FindingKind
from stores.quality.checked_rows import STORAGE_KEY_BYTES
from stores.quality.rules.message_columns import REFUSED_KEY
from tasks.analysis.analyze_messages import analyze_chunk, plan_chunks
from tasks.quality.check_quality import CheckPlan, check_rows
from tasks.refresh_signed_urls import RefreshRules, plan_refresh, refresh_span
from tests.support.erasing import erase
from tests.support.odd_keys import ODD_NAMES
from tests.support.quality import FACTS
from tests.support.reconciling import found
from tests.support.recordings import SENTENCES, flac_of
from tests.support.sweeping import is_in_bucket

pytestmark = pytest.mark.usefixtures("stage")

NAMES = sorted(ODD_NAMES.values())
FOLDER = "audio/user/conversation/"
MONTH = timedelta(days=30)


@pytest.fixture
def recorded(record):
    """Record a message under each odd key; return the keys by message id."""

    def _recorded(due_for=-MONTH, audio=None, **columns):
        keys = {}
        for number, name in enumerate(NAMES):
            key = FOLDER + name
            keys[f"m-{number:02}"] = key
            sound = audio or key.encode()
            record(
                due_for=due_for, id=f"m-{number:02}", audio=sound, audio_storage_key=key, **columns
            )
        return keys

    return _recorded


@pytest.fixture
def refresh():
    """Sign every URL, as the flow does."""

    def _refresh():
        rules = RefreshRules(utc_now(), AudioPolicy(), 1000, None, False)
        (span,) = plan_refresh.fn(rules).spans
        return refresh_span.fn(span, rules, number=1, limit=None)

    return _refresh


def test_their_urls_fetch_their_bytes_and_break_no_rule(recorded, refresh, stored, rows):
    keys = recorded(audio_url=None, audio_url_expires_at=None)
    report = refresh()
    assert (report.signed, report.refused) == (len(keys), 0)
    for message_id, key in keys.items():
        with urllib.request.urlopen(stored(message_id).audio_url) as answer:
            assert answer.read() == key.encode()
    checked = check_rows.fn(CheckPlan(utc_now(), CheckScope.EVERYTHING, None, None, 1000)).report
    broken = {result.rule for result in checked.results if result.broken}
    assert not broken & {"storage_key", "url_is_ours", "url_expiry", "object_in_bucket"}
    assert checked.sampled == len(keys)


def test_a_key_that_is_too_long_stays_quarantined(add_message, engine, refresh):
    message_id = add_message(
        audio_storage_key="audio/" + "\u3000" * 340, audio_retention_expires_at=None
    )
    assert refresh().refused == 1
    checked = check_rows.fn(CheckPlan(utc_now(), CheckScope.EVERYTHING, None, None, 1000)).report
    assert checked.released == 0
    with engine.connect() as connection:
        cases = connection.execute(
            sa.text("SELECT message_id, released_at FROM audio_ops.quarantine WHERE rule = :rule"),
            {"rule": REFUSED_KEY.name},
        )
        assert cases.all() == [(message_id, None)]


def test_they_are_analysed(recorded, rows):
    keys = recorded(
        audio=flac_of(SENTENCES[0]), content=SENTENCES[0], audio_processing_state="uploaded"
    )
    (chunk,) = plan_chunks.fn(1000, 100, None, AnalysisEngine.KAIWA)
    report = analyze_chunk.fn(
        chunk, None, engine=AnalysisEngine.KAIWA, max_attempts=1, workers=1, as_of=utc_now()
    )
    assert report.analyzed == len(keys)


def test_they_are_swept(recorded, sweep, stored):
    keys = recorded(due_for=timedelta(days=1))
    report = sweep()
    assert (report.objects, dict(report.failed), report.kept) == (len(keys), {}, {})
    assert not any(is_in_bucket(key) for key in keys.values())
    assert all(stored(message_id).audio_deleted_at for message_id in keys)


def test_bucket_and_messages_agree_about_them(recorded, reconcile):
    recorded()
    assert reconcile().findings == ()


def test_orphans_under_them_are_found_queued_and_swept(recorded, put, reconcile, sweep):
    orphans = sorted(FOLDER + "gone " + name for name in NAMES)
    for key in orphans:
        put(key)
    report = reconcile(repair=True)
    assert [(f.kind, f.count) for f in report.findings] == [
        (FindingKind.OBJECT_WITHOUT_ROW, len(orphans))
    ]
    assert set(found(report)[FindingKind.OBJECT_WITHOUT_ROW]) <= set(orphans)
    assert sweep().orphans == len(orphans)
    assert not any(is_in_bucket(key) for key in orphans)


@pytest.mark.parametrize("place", ["folder", "elsewhere"])
def test_they_are_erased(learner, add_recording, place):
    folder = {"folder": learner.folder, "elsewhere": FOLDER}[place]
    keys = [folder + name for name in NAMES]
    for key in keys:
        add_recording(learner, audio_storage_key=key)
    erased, left = erase(learner)
    assert (erased.objects, erased.refused, erased.failed) == (len(keys), 0, 0)
    assert left.is_empty
    assert not any(is_in_bucket(key) for key in keys)


@given(
    name=st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=80)
    | st.text("./\x1f\x7f\x80\x9f\xa0\xad", max_size=8)
    | st.builds(  # as long as a key may be, and a little shorter or longer
        lambda letter, spare: letter * ((MAX_KEY_BYTES - 6) // len(letter.encode())) + "x" * spare,
        st.sampled_from("xé\u3000😀\n"),
        st.integers(0, 5),
    )
)
@example("x" * 1018)
@example("x" * 1019)
@example("/.." + "x" * 1019)
@example("")
@example("..")
@example("a/../b")
@example("a/.")
@example("a\nb")
@example("\x85")
@example("\u2028")
@example("\ufeff")
def test_the_rule_of_data_quality_refuses_what_signing_and_sweeping_refuse(rule, name):
    key = f"audio/{name}"
    assert rule(key) == (DEFAULT_POLICY.key_refusal(key) is None)


@pytest.fixture(scope="module")
def rule(postgres):
    """Ask Postgres, in a locale as production has it, whether a key keeps the rule."""
    length, shape = REFUSED_KEY.expected
    query = sa.text(f"""
SELECT storage_key_bytes BETWEEN {length.low} AND {length.high} AND audio_storage_key ~ :pattern
FROM (
    SELECT m.audio_storage_key, {STORAGE_KEY_BYTES} FROM (SELECT CAST(:key AS text))
        AS m (audio_storage_key)
) AS checked_message
""")
    engine = sa.create_engine(postgres.url().replace("postgresql", "postgresql+psycopg", 1))
    with engine.connect() as connection:
        pattern = shape.pattern(FACTS)
        yield lambda key: connection.execute(query, {"key": key, "pattern": pattern}).scalar_one()
    engine.dispose()
