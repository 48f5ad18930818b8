"""Compare a check of all messages with one plain SQL pass that evaluates the same predicates.

    python benchmarks/quality.py [--messages 1000000] [--smoke] [--json]

The check is the flow's: both checked tables, Great Expectations' suites over them, broken rows,
quarantine and the check's own record, without bucket and Prefect. Its peer is a single SELECT that
only counts, by the same expressions: no tables, no ids, no Great Expectations. They take turns in
one process on one Postgres. Importing Great Expectations, once per process, is measured
separately. Both must count exactly the defects that were planted.
"""

import importlib
import os
import resource
import statistics
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from benchmarks import frame, servers
from benchmarks.quality_tables import WRONG, WRONG_EACH, make_database
from benchmarks.refresh import BUCKET
from schema.facts.quality import RuleResult
from schema.states import CheckScope, Severity
from stores.database import connect
from stores.quality import checked_rows, checks, quarantine, validation
from stores.quality.rule_queries import arguments, select_analyses, select_messages
from stores.quality.rules import analysis_rows, message_rows
from stores.quality.rules.analysis_columns import LANGUAGE_CODE
from stores.quality.rules.catalogue import ROW_RULES, RULES
from stores.quality.rules.message_columns import FORMATS, SAMPLE_RATES_HZ
from tasks.quality.rule_facts import rule_facts

ROWS = [rule.name for rule in ROW_RULES]
FAILING = [rule.name for rule in ROW_RULES if rule.severity is Severity.FAIL]
AS_OF = datetime(2025, 10, 14, tzinfo=UTC)

# Great Expectations' rules on single columns, as SQL.
_MESSAGE_COLUMNS = {
    "processing_state": "(audio_processing_state IN ('pending', 'uploading', 'uploaded',"
    " 'analyzing', 'analyzed', 'failed')) IS NOT TRUE",
    "pronunciation_score_range": "pronunciation_score NOT BETWEEN 0 AND 100",
    "fluency_score_range": "fluency_score NOT BETWEEN 0 AND 100",
    "speech_rate_range": "speech_rate_wpm < 0",
    "audio_duration_range": "audio_duration_ms < 0",
    "audio_size_range": "audio_size_bytes < 0",
    "audio_sample_rate": f"audio_sample_rate NOT IN {SAMPLE_RATES_HZ}",
    "audio_channels": "audio_channels NOT BETWEEN 1 AND 2",
    "audio_format": f"audio_format NOT IN {FORMATS}",
    "storage_key": "audio_storage_key !~"
    r" '^audio/(?!(.*/)?[.]{1,2}(/|$))[^\u0001-\u001f\u007f-\u009f]+$'",
    "key_when_uploaded": "audio_storage_key IS NULL AND NOT deleted"
    " AND audio_processing_state IN ('uploaded', 'analyzing', 'analyzed')",
    "scores_when_analyzed": "fluency_score IS NULL AND audio_processing_state = 'analyzed'",
    "expiry_when_uploaded": "audio_retention_expires_at IS NULL AND live_storage_key IS NOT NULL",
}
_ANALYSIS_COLUMNS = {
    "accuracy_range": "overall_accuracy_score NOT BETWEEN 0 AND 100",
    "fluency_range": "overall_fluency_score NOT BETWEEN 0 AND 100",
    "analysis_rates_range": "speech_rate_wpm < 0",
    "articulation_rate_range": "articulation_rate_wpm < 0",
    "speech_duration_range": "total_speech_duration_ms < 0",
    "pause_duration_range": "total_pause_duration_ms < 0",
    "pause_count_range": "pause_count < 0",
    "hesitation_count_range": "hesitation_count < 0",
    "average_pause_range": "average_pause_duration_ms < 0",
    "longest_pause_range": "longest_pause_duration_ms < 0",
    "analysis_duration_range": "analysis_duration_ms < 0",
    "analysis_language": f"analysis_language !~ '{LANGUAGE_CODE}'",
    "scores_when_error_free": "overall_accuracy_score IS NULL AND analysis_error IS NULL"
    " AND analysis_engine <> 'dtw'",
}
_SHARED = (
    "(SELECT COALESCE(sum(n), 0) FROM (SELECT count(*) AS n FROM {table} WHERE {where}"
    " GROUP BY {column} HAVING count(*) > 1) AS shared)"
)


def measure(messages: int, rounds: int) -> frame.Figures:
    """Return the times of both, their ratios and the peak memory."""
    with servers.postgres(servers.WITHOUT_DISK | servers.QUIET) as server:
        url = make_database(server, messages)
        os.environ.update(BUCKET, DATABASE_URL=url)  # noqa: TID251 - what the tasks will read
        import_seconds = _seconds(lambda: importlib.import_module("great_expectations"))
        engine = connect(url, statement_timeout=timedelta(0))
        plain, whole = [], []
        stages: dict[str, list[float]] = defaultdict(list)
        for _ in range(rounds):
            plain.append(_seconds(lambda: _plain_pass(engine, messages)))
            whole.append(_seconds(lambda: _check(engine, messages, stages)))
            _forget(engine)
        engine.dispose()
    plain_seconds, check_seconds = statistics.median(plain), statistics.median(whole)
    return {
        "messages": messages,
        "plain_sql_seconds": round(plain_seconds, 2),
        "check_seconds": round(check_seconds, 2),
        **{f"{name}_seconds": round(statistics.median(s), 2) for name, s in stages.items()},
        "import_seconds": round(import_seconds, 2),
        "ratio_to_plain_sql": round(check_seconds / plain_seconds, 2),
        "ratio_with_import": round((check_seconds + import_seconds) / plain_seconds, 2),
        "peak_mb": round(_peak_mb()),
    }


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _plain_pass(engine: sa.Engine, count: int) -> None:
    """Evaluate everything in one SELECT."""
    parts = []
    for columns, rules, invariants, select in (
        (checked_rows._MESSAGE_COLUMNS, _MESSAGE_COLUMNS, message_rows.RULES, select_messages),
        (checked_rows._ANALYSIS_COLUMNS, _ANALYSIS_COLUMNS, analysis_rows.RULES, select_analyses),
    ):
        counts = [f"count(*) FILTER (WHERE {broken}) AS {name}" for name, broken in rules.items()]
        counts += [f"count({rule.name}) AS {rule.name}" for rule in invariants]
        rows = select(columns, invariants, where="TRUE")
        counted = ", ".join(counts)
        parts.append(f"(SELECT {counted} FROM ({rows}) AS checked)")  # noqa: S608 - ours
    keys = _SHARED.format(
        table="messages", where="audio_deleted_at IS NULL", column="audio_storage_key"
    )
    ids = _SHARED.format(table="message_audio_analysis", where="TRUE", column="message_id")
    counted_rows = f"{parts[0]} AS message CROSS JOIN {parts[1]} AS analysis"
    uniqueness = f"{keys} AS storage_key_unique, {ids} AS message_id_unique"
    statement = f"SELECT *, {uniqueness} FROM {counted_rows}"  # noqa: S608 - ours
    with engine.begin() as connection:
        compared = arguments(rule_facts(AS_OF))
        found = connection.execute(sa.text(statement), compared).one()._asdict()
    _expect(found, count)


def _check(engine: sa.Engine, count: int, stages: dict[str, list[float]]) -> None:
    """Do what the flow's tasks do."""

    @contextmanager
    def stage(name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        stages[name].append(time.perf_counter() - started)

    with engine.begin() as connection:
        check_id, scope = checks.begin(connection, CheckScope.EVERYTHING)
    with engine.begin() as connection:
        with stage("checked_rows"):
            facts = rule_facts(AS_OF)
            checked = checked_rows.create(connection, scope, facts)
        with stage("great_expectations"):
            asked = validation.validate(connection, facts)
        with stage("quarantine"):
            quarantine.collect_invariants(connection)
            quarantine.open_cases(connection, RULES)
            quarantine.release(connection, ROWS)
        with stage("results"):
            failing = quarantine.failing(connection, FAILING)
            noted = quarantine.counts_and_examples(connection)
            results = [
                RuleResult(name, RULES[name].severity, counts.checked, *noted.get(name, (0, ())))
                for name, counts in asked.counts.items()
            ]
            checks.finish(connection, check_id, checked=checked, failing=failing, results=results)
    _expect({result.rule: result.broken for result in results}, count)
    _expect({name: counts.broken for name, counts in asked.counts.items()}, count)


def _expect(found: Mapping[str, int], count: int) -> None:
    """Fail if the check did not find exactly the planted defects."""
    wrong = Counter(
        rule
        for place, rules in WRONG.items()
        for rule in rules
        for _ in range(place, count, WRONG_EACH)
    )
    broken = {rule: number for rule, number in found.items() if number}
    if broken != wrong or found.keys() != set(ROWS):
        message = f"Found {broken}, wrong are {dict(wrong)}."
        raise RuntimeError(message)


def _forget(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("TRUNCATE audio_ops.quarantine, audio_ops.quality_check CASCADE")


def _peak_mb() -> float:
    kilobytes = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * kilobytes / 1e6


if __name__ == "__main__":
    frame.run(
        measure,
        {
            "messages": frame.Size(1_000_000, smoke=2_000, help="messages in the table"),
            "rounds": frame.Size(3, smoke=1, help="rounds of both"),
        },
    )
