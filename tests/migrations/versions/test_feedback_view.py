"""The view `learner_feedback` has the shape that the app's page takes."""

from datetime import UTC

import pytest

from tests.migrations.versions.conftest import DOCUMENTS, ISSUE, MONDAY, WEAK


def test_feedback_has_the_shape_that_the_apps_page_takes(say, rows, add_user, add_conversation):
    user_id = add_user()
    conversation = add_conversation(user_id=user_id)
    message_id = say(conversation, timestamp=MONDAY)
    (row,) = rows("learner_feedback")
    assert (row.message_id, row.conversation_id, row.user_id) == (message_id, conversation, user_id)
    assert (row.language, row.said_at.replace(tzinfo=UTC)) == ("en", MONDAY)
    assert row.feedback == {
        "summary": {"overallScore": 71, "fluencyScore": 64, "speechRate": 96, "issueCount": 1},
        "timeline": [
            {
                "type": "word",
                "startMs": 0,
                "endMs": 200,
                "content": "um",
                "metadata": {"charStart": 0, "charEnd": 2, "isHesitation": True},
            },
            {
                "type": "pause",
                "startMs": 200,
                "endMs": 400,
                "content": "",
                "metadata": {"charStart": 2, "charEnd": 2, "isHesitation": True},
            },
            {
                "type": "pause",
                "startMs": 400,
                "endMs": 1500,
                "content": "",
                "metadata": {"charStart": 2, "charEnd": 2, "isPause": True},
            },
            {
                "type": "word",
                "startMs": 1500,
                "endMs": 1800,
                "content": "think",
                "metadata": {"charStart": 3, "charEnd": 8},
            },
            {
                "type": "issue",
                "startMs": 1500,
                "endMs": 1800,
                "content": ISSUE,
                "metadata": {"word": "think", "severity": "high", "suggestion": "Say it slowly."},
            },
        ],
        "recommendations": [
            {"message": "Practise /θ/.", "actionable": True},
            {"message": "Link your words.", "actionable": True},
        ],
        "practiceWords": [
            {"word": "think", "issueCount": 1, "primaryIssue": ISSUE},
            {"word": "three", "issueCount": 0, "primaryIssue": ""},
        ],
        "phonemeDetails": [
            {
                "phoneme": "θ",
                "occurrences": 3,
                "averageAccuracy": 30.5,
                "commonErrors": ["heard as /s/", "heard as /t/"],
            },
            {"phoneme": "k", "occurrences": 1, "averageAccuracy": 90, "commonErrors": []},
        ],
    }
    assert row.card == {
        "overallAccuracyScore": 71,
        "overallFluencyScore": 64,
        "pauseCount": 1,
        "hesitationCount": 2,
        "speechRateWpm": 96,
        "problematicWords": [WEAK],
        "recommendations": ["Practise /θ/.", "Link your words."],
    }


@pytest.mark.parametrize(
    "number",
    [
        "overall_accuracy_score",
        "overall_fluency_score",
        "speech_rate_wpm",
        "pause_count",
        "hesitation_count",
    ],
)
def test_an_analysis_without_a_number_that_the_page_prints_has_no_row(
    say, rows, add_conversation, number
):
    say(add_conversation(), {number: None})
    assert rows("learner_feedback") == []


def test_lists_of_words_that_are_none_are_empty(say, rows, add_conversation):
    nothing = dict.fromkeys(DOCUMENTS)
    say(add_conversation(), {**nothing, "recommendations": [1, {}], "practice_words": "text"})
    (row,) = rows("learner_feedback")
    lists = ("timeline", "recommendations", "practiceWords", "phonemeDetails")
    assert [row.feedback[name] for name in lists] == [[], [], [], []]
    assert row.feedback["summary"]["issueCount"] == 0
    assert row.card["problematicWords"] == []
