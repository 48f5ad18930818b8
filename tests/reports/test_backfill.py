import io
from collections import Counter
from datetime import timedelta

from PIL import Image

from policy.backfill import estimate, objection
from policy.costs import prices_of
from policy.score_changes import by_language, compare
from reports.backfill import canary_summary, plan_summary, report_summary
from reports.backfill_charts import charts
from schema.facts.analysis import EngineRelease
from schema.facts.backfill import (
    BackfillPlan,
    BackfillProgress,
    Rescored,
    RescoredMessage,
    SelectedGroup,
)
from schema.states import AnalysisEngine, BackfillOutcome
from stores.quality.rules.catalogue import RULES

RELEASE = EngineRelease("kaiwa", "2.0", "en-new")
RESCORED = [
    *(Rescored("en", "accuracy", 50 + n, 60 + n, 1) for n in range(12)),
    *(Rescored("en", "fluency", 70, 70 - n, 1) for n in range(12)),
]
CHANGED = [RescoredMessage(f"m{n}", 50 + n, 60 + n, 70, 70 - n) for n in range(10)]


def progress(**outcomes):
    counts = Counter({BackfillOutcome(name): count for name, count in outcomes.items()})
    return BackfillProgress(
        counts.total(), counts, causes=Counter(no_speech=2), audio_seconds=7200, cpu_seconds=60
    )


def test_a_plan_shows_what_it_selects_and_what_it_skips():
    groups = (SelectedGroup("en", "kaiwa 1.0", 3000, 7200.0, 1024**3),)
    plan = BackfillPlan(groups, gone=7, newer=2, done=1, unknown_languages=Counter(ja=5))
    estimated = estimate(
        plan,
        engine=AnalysisEngine.KAIWA,
        limit=1500,
        cores=2,
        times_real_time=100.0,
        prices=prices_of(),
    )
    said = plan_summary(plan, estimated, RELEASE)
    assert "| **Would be analysed** | 1,500 messages |" in said
    assert "| Audio | 1.0 hours |" in said
    assert "| Audio already deleted | 7 |" in said
    assert "100 times real time on one core, measured over 30 days" in said
    assert "holds 3,000 messages, more than the limit" in said
    assert "does not support the language: ja (5)" in said
    assert "| en | kaiwa 1.0 | 3,000 | 2.0 hours |" in said


def test_a_sample_is_shown_with_its_ten_largest_changes():
    comparison = compare(RESCORED)
    sample = progress(analyzed=12)
    reason = objection(comparison, sample, 0, max_mean_shift=5)
    said = canary_summary(sample, CHANGED, comparison, reason)
    assert said.startswith("**Approval needed: mean accuracy moved by +10.0 points")
    assert (
        "| the sample | accuracy | 12 | 55.5 | 65.5 | +10.0 | +10.0 | +10 to +10 | 1.00 |" in said
    )
    assert said.count("| m") == 10


def test_a_sample_without_anything_to_compare_says_so():
    said = canary_summary(progress(analyzed=3), [], None, None)
    assert said.startswith("No stored analysis has scores to compare with.")


def test_a_report_shows_outcomes_causes_scores_and_pace():
    said = report_summary(
        7,
        progress(analyzed=10, failed=2, gone=1),
        by_language(RESCORED),
        rules=RULES,
        broken={"quick_scores": 3},
        took=timedelta(minutes=5),
        waited=timedelta(minutes=3),
    )
    assert "| Failed; an earlier analysis is kept | 2 |" in said
    assert "| Audio deleted in the meantime | 1 |" in said
    assert "| **Selected** | 13 |" in said
    assert "| no speech | 2 |" in said
    assert f"| {RULES['quick_scores'].says} | 3 |" in said
    assert "2.0 hours of audio, 120 times real time per core; " in said
    assert "; this run took 2.0 min, and waited 3.0 minutes for approval." in said
    assert "kaiwa-audio backfill release 7" in said


def test_a_report_of_an_unfinished_backfill_shows_how_to_continue():
    said = report_summary(
        7,
        BackfillProgress(5, open=5),
        {},
        rules=RULES,
        broken={},
        took=timedelta(seconds=3),
        waited=timedelta(),
    )
    assert "**5 are left**: run it again with `resume` 7." in said
    assert "no audio was analysed" in said


def test_charts_are_pictures():
    drawn = charts(RESCORED, compare(RESCORED))
    assert list(drawn) == ["accuracy_before_and_after", "accuracy_message_by_message"]
    for picture in drawn.values():
        assert Image.open(io.BytesIO(picture)).size == (1200, 630)
