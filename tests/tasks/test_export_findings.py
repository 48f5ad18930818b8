"""The app's list of findings on real Postgres: ours are added once, others stay untouched."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from policy.findings import finding_id
from schema.errors.base import DatabaseRefused
from schema.facts.findings import ExportReport, Feature
from schema.facts.quality import BrokenRule
from stores import findings
from stores.deletion import erasure
from stores.quality import quarantine
from tasks.export_findings import ExportRules, export_chunk

pytestmark = pytest.mark.usefixtures("stage")

NOW = datetime(2025, 10, 20, 12, tzinfo=UTC)
SAID_AT = datetime(2025, 10, 13, 9, tzinfo=UTC)
THETA = Feature("en", "pronunciation", "phoneme", "θ")
WHOLE = "It was hard to recognise as a whole."
ISSUE = "The first sound /θ/, as in “three”, was unclear."
TEXT = "😀 I think so"
TIMINGS = (
    {"word": "think", "startMs": 100, "endMs": 400, "charStart": 5, "charEnd": 10},
    {"word": "so", "startMs": 500, "endMs": 700, "charStart": 11, "charEnd": 13},
)
SOUND = {"phoneme": "θ", "word": "think", "accuracyScore": 20, "startMs": 100, "endMs": 200}
THINK = {
    "word": "think",
    "issue": ISSUE,
    "severity": "high",
    "startMs": 100,
    "endMs": 400,
    "suggestion": "Say it slowly.",
}
SO = {"word": "so", "issue": WHOLE, "severity": "low", "startMs": 500, "endMs": 700}


def analysed(*words):
    return {
        "speech_timings": TIMINGS,
        "phoneme_analysis": (SOUND,),
        "problematic_words": words,
        "practice_words": tuple(word["word"] for word in words),
    }


@pytest.fixture
def execute(engine):
    """Run a statement and commit; return its rows, if any."""

    def _execute(statement, **arguments):
        with engine.begin() as connection:
            result = connection.execute(sa.text(statement), arguments)
            return result.all() if result.returns_rows else None

    return _execute


@pytest.fixture
def stored(execute):
    """Read the app's list of findings, with what each is about."""

    def _stored():
        return execute(
            "SELECT f.*, l.macro_skill, l.sub_skill, l.micro_rule, l.language_id AS of_language"
            " FROM analysis_findings AS f JOIN linguistic_features AS l ON l.id = f.feature_id"
            " ORDER BY f.message_id, f.offset_start"
        )

    return _stored


@pytest.fixture
def say(add_analysed):
    """Add a learner's analysed message; return its id."""

    def _say(*words, **columns):
        return add_analysed(analysed(*words), content=TEXT, timestamp=SAID_AT, **columns)

    return _say


@pytest.fixture
def analyse_again(execute, add_analysis):
    """Analyse a message again, with other words found."""

    def _analyse_again(message_id, *words, **columns):
        execute("DELETE FROM message_audio_analysis WHERE message_id = :id", id=message_id)
        add_analysis(message_id, **analysed(*words), **columns)

    return _analyse_again


@pytest.fixture
def export():
    """Export everything as the flow does, without Prefect."""

    def _export(*, dry_run=False, page_size=500, as_of=NOW):
        rules = ExportRules(as_of, page_size, dry_run)
        report, after_id = ExportReport(), ""
        while after_id is not None:
            chunk = export_chunk.fn(after_id, rules, number=1)
            report += chunk.report
            after_id = chunk.last_id
        return report

    return _export


def test_a_finding_has_all_that_the_apps_page_shows(export, say, stored, execute):
    message_id = say(THINK)
    assert export() == ExportReport(messages=1, added=1)
    (found,) = stored()
    ((conversation_id, user_id),) = execute("SELECT id, user_id FROM conversations")
    assert found.id == finding_id(message_id, THETA)
    assert (found.message_id, found.conversation_id) == (message_id, conversation_id)
    assert (found.user_id, found.language_id) == (user_id, "en")
    assert found.feature_id == "en:pronunciation:phoneme:θ"
    assert (found.of_language, found.macro_skill) == ("en", "pronunciation")
    assert (found.sub_skill, found.micro_rule) == ("phoneme", "θ")
    assert (found.module_id, found.run_id) == ("pronunciation-analysis", "kaiwa-audio")
    assert (found.severity, found.action_status) == ("warning", "pending")
    assert (found.offset_start, found.offset_end) == (5, 10)
    assert found.original_text == found.suggested_text == "think"
    assert found.explanation == f"{ISSUE} Say it slowly."
    assert found.metadata == {"startMs": 100, "endMs": 400, "analysisVersion": "1.0"}


def test_findings_have_their_messages_date_so_that_no_run_of_the_app_is_hidden(export, say, stored):
    say(THINK)
    export()
    (found,) = stored()
    assert found.created_at.replace(tzinfo=UTC) == SAID_AT
    assert found.updated_at.replace(tzinfo=UTC) == NOW


def test_exporting_again_changes_nothing(export, say, stored):
    for _ in range(2):
        say(THINK, SO)
    assert export() == ExportReport(messages=2, added=4)
    before = stored()
    assert export(as_of=NOW + timedelta(days=1)) == ExportReport(messages=2, unchanged=4)
    assert stored() == before


@pytest.mark.parametrize("page_size", [1, 2, 3, 500])
def test_pages_of_any_size_miss_nothing(export, say, page_size):
    for _ in range(3):
        say(THINK)
    assert export(page_size=page_size) == ExportReport(messages=3, added=3)


def test_a_dry_run_counts_the_same_and_writes_nothing(export, say, stored, execute, analyse_again):
    gone = say(SO)
    changed = say(THINK)
    export()
    before = stored()
    analyse_again(gone)
    analyse_again(changed, {**THINK, "severity": "low"})
    say(THINK)
    counted = export(dry_run=True)
    assert counted == ExportReport(messages=3, added=1, changed=1, removed=1)
    assert stored() == before
    assert export() == counted


def test_a_new_analysis_replaces_what_the_old_one_said(export, say, stored, analyse_again):
    message_id = say(THINK, SO)
    export()
    analyse_again(message_id, {**THINK, "severity": "low"}, analysis_version="3.0")
    assert export() == ExportReport(messages=1, changed=1, removed=1)
    (found,) = stored()
    assert (found.severity, found.metadata["analysisVersion"]) == ("info", "3.0")
    assert found.created_at.replace(tzinfo=UTC) == SAID_AT


@pytest.mark.parametrize("action", ["accepted", "ignored", "dismissed_auto"])
def test_a_learners_action_on_a_finding_stays(export, say, stored, execute, analyse_again, action):
    message_id = say(THINK, SO)
    export()
    execute(
        "UPDATE analysis_findings SET action_updated_at = '2025-10-21',"
        " action_status = CAST(:action AS analysis_finding_action)",
        action=action,
    )
    analyse_again(message_id, {**THINK, "severity": "low"})
    assert export() == ExportReport(messages=1, changed=1, kept=1)
    found = stored()
    assert {row.action_status for row in found} == {action}
    assert all(row.action_updated_at == datetime(2025, 10, 21) for row in found)  # noqa: DTZ001
    assert {row.severity for row in found} == {"info"}


def test_findings_of_the_app_itself_are_left_alone(export, say, stored, execute, analyse_again):
    message_id = say(THINK)
    export()
    execute(
        "INSERT INTO linguistic_features (id, macro_skill, sub_skill, micro_rule)"
        " VALUES ('grammar:a:b', 'grammar', 'a', 'b')"
    )
    execute(
        "INSERT INTO analysis_findings (user_id, conversation_id, message_id, feature_id,"
        " module_id, run_id, original_text)"
        " SELECT c.user_id, c.id, m.id, own.feature, own.module, own.run, 'theirs'"
        " FROM messages AS m JOIN conversations AS c ON c.id = m.conversation_id, (VALUES"
        " ('grammar:a:b', 'grammar-suggestions', 'run'), ('en:pronunciation:phoneme:θ',"
        " 'pronunciation-analysis', 'run'), ('en:pronunciation:phoneme:θ', NULL, NULL)"
        ") AS own (feature, module, run)"
    )
    theirs = [row for row in stored() if row.original_text == "theirs"]
    analyse_again(message_id)
    assert export() == ExportReport(messages=1, removed=1)
    assert stored() == theirs


def test_a_feature_that_is_there_is_used_as_it_is(export, say, execute):
    execute(
        "INSERT INTO linguistic_features (id, macro_skill, sub_skill, micro_rule, coaching_copy)"
        " VALUES ('en:pronunciation:phoneme:θ', 'pronunciation', 'phoneme', 'θ', 'the app''s own')"
    )
    for _ in range(2):
        say(THINK)
    export()
    assert execute("SELECT coaching_copy FROM linguistic_features") == [("the app's own",)]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE conversations SET user_id = NULL, guest_id = 'browser'",
        "UPDATE messages SET role = 'assistant'",
        "UPDATE message_audio_analysis SET analysis_error = 'No speech.'",
        "UPDATE message_audio_analysis SET problematic_words = '{}'",
        "UPDATE message_audio_analysis SET problematic_words = '[{}]'",
        "UPDATE message_audio_analysis SET problematic_words = NULL",
        "DELETE FROM message_audio_analysis",
    ],
)
def test_findings_that_must_not_or_cannot_be_exported_are_removed(
    export, say, stored, execute, change
):
    say(THINK)
    export()
    execute(change)
    assert export() == ExportReport(messages=1, removed=1)
    assert stored() == []


def test_quarantined_analyses_are_not_exported(export, say, engine):
    message_id = say(THINK)
    with engine.begin() as connection:
        quarantine.set_aside(connection, [BrokenRule(message_id, "quick_scores", "80, 90")])
    assert export() == ExportReport(messages=1)


def test_nothing_of_an_erased_learner_is_exported(export, say, engine, execute):
    say(THINK)
    ((user_id,),) = execute("SELECT user_id FROM conversations")
    with engine.begin() as connection:
        erasure.begin(connection, user_id, "request 7")
    assert export() == ExportReport(messages=1)


def test_a_learner_who_acts_while_we_write_keeps_the_finding(export, say, stored, engine):
    say(THINK)
    export()
    (found,) = stored()
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE analysis_findings SET action_status = 'accepted'"))
        findings.remove(connection, [found.id])
    assert len(stored()) == 1


def test_a_refusal_by_the_database_is_reported_without_the_learners_text(export, say, execute):
    say(THINK)
    execute("ALTER TABLE analysis_findings ADD CONSTRAINT none CHECK (original_text = '')")
    with pytest.raises(DatabaseRefused) as error:
        export()
    assert error.value.__cause__ is None
    assert error.value.__suppress_context__ or error.value.__context__ is None
    assert "think" not in str(error.value)


def test_an_app_without_the_list_is_reported_before_anything_is_written(engine, execute):
    execute("DROP TABLE analysis_findings")
    with engine.begin() as connection:
        assert not findings.may_write(connection)
