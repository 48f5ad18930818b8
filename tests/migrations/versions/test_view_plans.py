"""Query plans of the views: a filter reads its own rows only, by index."""

import re
from collections import Counter

import pytest

MANY = """
INSERT INTO users (id, email)
SELECT md5('u' || n)::uuid, 'u' || n FROM generate_series(1, 2000) AS n;
INSERT INTO conversations (id, user_id, target_language_id)
SELECT 'c' || n, md5('u' || mod(n, 2000) + 1)::uuid, 'en' FROM generate_series(1, 4000) AS n;
INSERT INTO messages (id, conversation_id, role, content, timestamp, audio_processing_state)
SELECT 'm' || n, 'c' || mod(n, 4000) + 1, 'user', 'a',
    timestamp '2025-10-13' + n * interval '1 min', 'analyzed'
FROM generate_series(1, 40000) AS n;
INSERT INTO message_audio_analysis (message_id, overall_accuracy_score, overall_fluency_score,
    speech_rate_wpm, pause_count, hesitation_count, phoneme_analysis, problematic_words)
SELECT 'm' || n, 70, 70, 100, 1, 1, '[{"phoneme": "k", "accuracyScore": 80}]', '[{"word": "a"}]'
FROM generate_series(1, 40000) AS n;
INSERT INTO audio_ops.quarantine (message_id, rule, observed)
SELECT 'm' || n * 10, 'quick_scores', 'seen' FROM generate_series(1, 4000) AS n;
INSERT INTO audio_ops.erased_learner (user_id, reason)
SELECT md5('u' || n)::uuid, 'request' FROM generate_series(1001, 2000) AS n;
ANALYZE;
"""


def nodes(plan):
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


@pytest.fixture
def plan(engine):
    """Run a query on 40,000 messages of 2,000 learners; return the nodes of its plan."""
    with engine.begin() as connection:
        connection.exec_driver_sql(MANY)

    def _plan(query):
        with engine.connect() as connection:
            explained = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}")
            return list(nodes(explained.scalar_one()[0]["Plan"]))

    return _plan


# Queries of a reader, and the number of messages they select.
ASKED = {
    "learner_progress WHERE user_id = md5('u7')::uuid": 20,
    "learner_progress WHERE user_id = md5('u7')::uuid AND language = 'en'": 20,
    "learner_feedback WHERE user_id = md5('u7')::uuid": 20,
    "learner_feedback WHERE conversation_id = 'c7'": 10,
    "learner_feedback WHERE message_id = 'm7'": 1,
}


def test_a_filter_reads_only_its_own_rows_and_by_index(plan):
    for query, theirs in ASKED.items():
        read = Counter()
        for node in plan(f"SELECT * FROM audio_ops.{query}"):
            if table := node.get("Relation Name"):
                assert re.search("Index|Bitmap", node["Node Type"]), (query, table)
                rows = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
                read[table] = max(read[table], rows * node["Actual Loops"])
        assert read["messages"] == theirs, query
        assert read["message_audio_analysis"] <= theirs, query
        assert read["conversations"] <= theirs, query
        assert read["quarantine"] + read["erased_learner"] <= theirs, query


def test_documents_are_not_read_for_who_does_not_ask_for_them(plan):
    who = "WHERE user_id = md5('u7')::uuid"
    found = plan(f"SELECT week_start, mean_accuracy FROM audio_ops.learner_progress {who}")
    assert not any("Function Name" in node for node in found)
