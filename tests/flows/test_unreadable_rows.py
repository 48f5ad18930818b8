"""One row that Python or an integer cannot hold, among good ones: every flow does the others."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from flows.analyze_messages import analyze_messages
from flows.backfill_analysis import backfill_analysis
from flows.check_quality import check_quality
from flows.erase_learner import erase_learner
from flows.export_findings import export_findings
from flows.measure_costs import measure_costs
from flows.reconcile_bucket import reconcile_bucket
from flows.refresh_signed_urls import refresh_signed_urls
from flows.sweep_retention import sweep_retention
from schema.clock import utc_now
from schema.errors.analysis import RunIncomplete
from schema.errors.deletion import SweepIncomplete
from schema.states import BackfillOutcome, BackfillSelection, CheckScope, FailureCause
from stores.analysis import analyses
from tasks.analysis import batch
from tasks.resources import storage
from tests.flows.test_reconcile_bucket import newest_artifact
from tests.support.backfilling import analysis
from tests.support.recordings import SENTENCES, flac_of
from tests.support.sweeping import is_in_bucket

pytestmark = [pytest.mark.flow, pytest.mark.usefixtures("prefect_server", "stage")]

DAY = timedelta(days=1)
BAD = "bad"
FUTURE = ["infinity", "10000-01-01"]
PAST = ["-infinity", "0044-03-15 BC"]
TIMES = FUTURE + PAST
WIDE = [
    ("bigint", 2**31),
    ("bigint", 2**63 - 1),
    ("numeric", 2**63),
    ("numeric", "'NaN'"),
    ("float8", "'-Infinity'"),
]
DOCUMENTS = ["[1e400]", "[" * 1500 + "]" * 1500, '"NaN"', "7", '[{"startMs": "1"}]']


@pytest.fixture(autouse=True)
def reports(tmp_path, monkeypatch):
    monkeypatch.setenv("KAIWA_REPORTS_DIR", str(tmp_path))


@pytest.fixture
def learner(add_user):
    return add_user()


@pytest.fixture
def mixed(learner, add_conversation, add_message, engine):
    """Record good messages around a bad one, of one learner; returns their keys by id."""
    conversation = add_conversation(user_id=learner)

    def _mixed(spoil=None, *, due=(), state="analyzed", analysed=True):
        sound = flac_of(SENTENCES[0])
        keys = {}
        for id_ in ("a-good", BAD, "z-good"):
            keys[id_] = f"audio/{learner}/{conversation}/{id_}.wav"
            storage.bucket().put(keys[id_], sound, "audio/wav")
            add_message(
                id=id_,
                conversation_id=conversation,
                content=SENTENCES[0],
                timestamp=utc_now() - (90 if id_ in due else 3) * DAY,
                audio_storage_key=keys[id_],
                audio_format="flac",
                audio_size_bytes=len(sound),
                audio_duration_ms=2000,
                audio_processing_state=state,
                audio_url=None,
                audio_retention_expires_at=utc_now() + (-30 if id_ in due else 27) * DAY,
                pronunciation_score=60 if analysed else None,
                fluency_score=60 if analysed else None,
            )
            if analysed:
                with engine.begin() as connection:
                    analyses.create(connection, analysis(id_, 60))
        for statement in (spoil,) if isinstance(spoil, str) else spoil or ():
            with engine.begin() as connection:
                connection.exec_driver_sql(statement)
        return keys

    return _mixed


def set_time(column, value):
    return f"UPDATE messages SET {column} = '{value}' WHERE id = '{BAD}'"


def widen(column, type_, value):
    return (
        f"ALTER TABLE messages ALTER {column} TYPE {type_}",
        f"UPDATE messages SET {column} = {value} WHERE id = '{BAD}'",
    )


@pytest.fixture
def query(engine):
    def _query(statement):
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(statement))]

    return _query


@pytest.fixture
def quarantined(query):
    """Return rule and observation of the bad message's cases."""

    def _quarantined():
        return dict(
            query(f"SELECT rule, observed FROM audio_ops.quarantine WHERE message_id = '{BAD}'")
        )

    return _quarantined


# Times


@pytest.mark.parametrize("time", FUTURE)
def test_urls_are_signed_but_for_the_message_whose_expiry_is_no_date(
    mixed, query, quarantined, time
):
    mixed(set_time("audio_retention_expires_at", time))
    assert refresh_signed_urls(dry_run=True).unreadable == 1
    assert quarantined() == {}
    report = refresh_signed_urls()
    assert (report.signed, report.unreadable, report.refused) == (2, 1, 0)
    assert query("SELECT id FROM messages WHERE audio_url IS NULL") == [(BAD,)]
    (observed,) = quarantined().values()
    assert observed.startswith("audio_retention_expires_at ")
    assert (
        "**1 message has a retention expiry that is no date**"
        in newest_artifact("refresh-signed-urls").data
    )


@pytest.mark.parametrize("time", TIMES)
def test_a_url_that_never_expires_is_signed_anew(mixed, query, time):
    url = "https://example.org/signed"
    mixed(
        (
            f"UPDATE messages SET audio_url = '{url}', audio_url_expires_at = now() + '5 days'",
            set_time("audio_url_expires_at", time),
        )
    )
    assert refresh_signed_urls().signed == 1
    assert query(f"SELECT id FROM messages WHERE audio_url <> '{url}'") == [(BAD,)]


@pytest.mark.parametrize("time", TIMES)
def test_what_is_due_is_swept_and_an_expiry_that_is_no_date_deletes_nothing(
    mixed, query, quarantined, time
):
    keys = mixed(set_time("audio_retention_expires_at", time), due=("a-good", BAD, "z-good"))
    assert sweep_retention().kept == {"unreadable time": 1}
    assert quarantined() == {}
    if time in PAST:
        with pytest.raises(SweepIncomplete, match="1 recording is more than 3 days overdue"):
            sweep_retention(dry_run=False, max_share_percent=100)
    else:
        assert sweep_retention(dry_run=False, max_share_percent=100).objects == 2
    assert query("SELECT id FROM messages WHERE audio_deleted_at IS NULL") == [(BAD,)]
    assert is_in_bucket(keys[BAD])
    assert "| unreadable time | 1 |" in newest_artifact("sweep-retention").data
    assert list(quarantined()) == ["readable_times"]


@pytest.mark.parametrize("time", TIMES)
@pytest.mark.parametrize("column", ["audio_retention_expires_at", "timestamp"])
def test_a_held_recording_with_a_time_that_is_no_date_fails_no_sweep(
    mixed, query, hold, column, time
):
    keys = mixed(set_time(column, time), due=("a-good", BAD, "z-good"))
    hold(BAD)
    assert sweep_retention().kept == {"legal hold": 1}
    report = sweep_retention(dry_run=False, max_share_percent=100)
    assert (report.objects, report.kept) == (2, {"legal hold": 1})
    assert query("SELECT id FROM messages WHERE audio_deleted_at IS NULL") == [(BAD,)]
    assert is_in_bucket(keys[BAD])
    assert "| legal hold | 1 |" in newest_artifact("sweep-retention").data


@pytest.mark.parametrize("time", TIMES)
def test_a_recording_that_is_due_but_whose_message_has_no_date_is_kept(
    mixed, query, quarantined, time
):
    mixed(set_time("timestamp", time), due=("a-good", BAD, "z-good"))
    with pytest.raises(SweepIncomplete, match="1 recording is more than 3 days overdue"):
        sweep_retention(dry_run=False, max_share_percent=100)
    assert query("SELECT id FROM messages WHERE audio_deleted_at IS NULL") == [(BAD,)]
    assert list(quarantined()) == ["readable_times"]


@pytest.mark.parametrize("time", TIMES)
def test_a_message_without_a_date_is_given_no_expiry(mixed, query, time):
    spoil = ("UPDATE messages SET audio_retention_expires_at = NULL", set_time("timestamp", time))
    mixed(spoil)
    assert sweep_retention(dry_run=False).expiries_set == 2
    assert query("SELECT id FROM messages WHERE audio_retention_expires_at IS NULL") == [(BAD,)]


@pytest.mark.parametrize("time", TIMES)
def test_a_message_without_a_date_is_analysed_like_the_others(mixed, time):
    mixed(set_time("timestamp", time), state="uploaded", analysed=False)
    assert analyze_messages(chunk_size=1, workers=1).analyzed == 3


@pytest.mark.parametrize("time", TIMES)
def test_the_check_of_quality_names_the_columns_and_what_they_hold(mixed, quarantined, time):
    mixed([set_time(column, time) for column in ("timestamp", "audio_url_expires_at")])
    check_quality(scope=CheckScope.EVERYTHING, fail_above_percent=100, bucket_sample=0)
    shown = time if "inf" in time else time.replace("-01-01", "-01-01 00:00:00")
    shown = shown.replace("-03-15", "-03-15 00:00:00")
    assert quarantined()["readable_times"] == f"timestamp {shown}; audio_url_expires_at {shown}"


@pytest.mark.parametrize("time", TIMES)
def test_times_that_are_no_dates_hinder_no_erasure(mixed, learner, time):
    columns = ("timestamp", "audio_retention_expires_at", "audio_url_expires_at")
    keys = mixed([set_time(column, time) for column in columns])
    erased = erase_learner(learner, "request 7", dry_run=False)
    assert (erased.messages, erased.objects) == (3, 3)
    assert not any(is_in_bucket(key) for key in keys.values())


@pytest.mark.parametrize("time", TIMES)
def test_times_that_are_no_dates_hinder_no_other_flow(mixed, time):
    columns = ("timestamp", "audio_retention_expires_at", "audio_url_expires_at")
    mixed(
        [
            *(set_time(column, time) for column in columns),
            f"UPDATE message_audio_analysis SET analyzed_at = '{time}' WHERE message_id = '{BAD}'",
        ]
    )
    assert measure_costs().objects in {2, 3}
    assert reconcile_bucket().findings == ()
    assert export_findings().messages == 3
    assert backfill_analysis("a reason", selection=BackfillSelection.ALL).selected in {2, 3}


# Sizes and durations, in columns that the app has widened


@pytest.mark.parametrize(("type_", "value"), WIDE)
def test_a_size_or_duration_that_is_no_number_of_bytes_hinders_no_flow(
    mixed, quarantined, learner, type_, value
):
    keys = mixed(
        [
            *widen("audio_size_bytes", type_, value),
            *widen("audio_duration_ms", type_, value),
            f"UPDATE messages SET audio_retention_expires_at = now() - interval '30 days',"
            f" timestamp = now() - interval '90 days' WHERE id = '{BAD}'",
        ]
    )
    assert refresh_signed_urls().signed == 2
    measured = measure_costs()
    assert measured.objects == 3
    assert measured.unsized_objects == (0 if value == 2**31 else 1)
    check_quality(scope=CheckScope.EVERYTHING, fail_above_percent=100)
    expected = {"audio_duration_range"} | ({"audio_size_range"} if value != 2**31 else set())
    assert expected <= quarantined().keys()
    (found,) = reconcile_bucket().findings
    assert (found.kind, found.examples) == ("size_difference", (keys[BAD],))
    assert backfill_analysis("a reason", selection=BackfillSelection.ALL).selected == 3
    assert sweep_retention(dry_run=False, max_share_percent=100).objects == 1
    assert erase_learner(learner, "request 7", dry_run=False).objects == 3


# Documents


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_document_of_another_shape_hinders_no_flow(mixed, quarantined, document):
    columns = ("speech_timings", "phoneme_analysis", "practice_words")
    changes = ", ".join(f"{column} = '{document}'" for column in columns)
    mixed(f"UPDATE message_audio_analysis SET {changes} WHERE message_id = '{BAD}'")
    assert export_findings(dry_run=False).messages == 3
    check_quality(scope=CheckScope.EVERYTHING, fail_above_percent=100, bucket_sample=0)
    assert "document_shapes" in quarantined()
    measure_costs()
    done = backfill_analysis(
        "a reason", dry_run=False, selection=BackfillSelection.ALL, max_mean_shift=100
    )
    assert (done.selected, done.open, done.failed) == (3, 0, 0)


# Analyses that the database refuses to store


REFUSED = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF {condition} THEN RAISE EXCEPTION 'refused' USING ERRCODE = '{sqlstate}'; END IF;
    RETURN new;
END $$;
CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION refuse()
"""
NO_ANALYSIS = {
    "table": "message_audio_analysis",
    "condition": f"new.message_id = '{BAD}' AND new.analysis_error IS NULL",
}
NOTHING = {
    "table": "messages",
    "condition": f"new.id = '{BAD}' AND new.audio_processing_state IN ('analyzed', 'failed')",
}


@pytest.mark.parametrize("sqlstate", ["22003", "23514", "P0001"])
def test_an_analysis_that_the_database_refuses_fails_alone(mixed, query, sqlstate):
    refusal = REFUSED.format(sqlstate=sqlstate, **NO_ANALYSIS)
    mixed(refusal, state="uploaded", analysed=False)
    report = analyze_messages(max_attempts=1, workers=1, fail_above_percent=100)
    assert (report.analyzed, report.failed) == (2, 1)
    assert query("SELECT id, audio_processing_error FROM messages WHERE id = 'bad'") == [
        (
            BAD,
            f"The database refused the analysis (SQLSTATE {sqlstate}). Once the cause is fixed, set"
            " the state back to 'uploaded'.",
        )
    ]


def test_a_message_that_the_database_lets_nobody_change_fails_the_run_and_waits(
    mixed, query, caplog
):
    mixed(REFUSED.format(sqlstate="P0001", **NOTHING), state="uploaded", analysed=False)
    with pytest.raises(RunIncomplete):
        analyze_messages(max_attempts=1, workers=1, fail_above_percent=100)
    assert query("SELECT id FROM messages WHERE audio_processing_state = 'uploaded'") == [(BAD,)]
    assert query("SELECT count(*) FROM message_audio_analysis") == [(2,)]
    assert "The database refused to write analyses (SQLSTATE P0001)" in caplog.text


def test_a_database_that_refuses_every_analysis_fails_the_run_and_no_message(
    mixed, query, monkeypatch
):
    monkeypatch.setattr(batch, "MOST_REFUSED_ROWS", 2)
    required = "ALTER TABLE message_audio_analysis ADD newer_than_us text NOT NULL"
    mixed(required, state="uploaded", analysed=False)
    with pytest.raises(RunIncomplete):
        analyze_messages(max_attempts=1, workers=1, fail_above_percent=100)
    states = "SELECT DISTINCT audio_processing_state, audio_processing_error FROM messages"
    assert query(states) == [("uploaded", None)]


def test_a_backfill_goes_on_past_an_analysis_that_the_database_refuses(mixed, query):
    mixed(REFUSED.format(sqlstate="23514", **NO_ANALYSIS))
    done = backfill_analysis(
        "a reason",
        dry_run=False,
        selection=BackfillSelection.ALL,
        canary_size=0,
        max_mean_shift=100,
        fail_above_percent=100,
    )
    assert done.outcomes == {BackfillOutcome.ANALYZED: 2, BackfillOutcome.FAILED: 1}
    assert done.causes == {FailureCause.NOT_STORABLE: 1}
