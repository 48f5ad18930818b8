"""The demo's result, for a person at a terminal."""

import math
from collections.abc import Iterator, Mapping

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from deployments.demo.corpus import rank_correlation
from deployments.demo.outcomes import Outcome, count_states
from deployments.demo.recordings import Recording
from schema.states import ProcessingState

_MAX_ROWS = 40
_COLOURS = {ProcessingState.ANALYZED: "green", ProcessingState.FAILED: "yellow"}


def print_report(
    console: Console,
    recordings: Mapping[str, Recording],
    outcomes: Mapping[str, Outcome],
    surprises: Mapping[str, str],
) -> None:
    """Print the table of results, what was not as expected, and the counts."""
    has_experts = any(recording.experts for recording in recordings.values())
    table = Table(title="What became of each recording", title_justify="left")
    table.add_column("learner", no_wrap=True)
    table.add_column("sentence", ratio=2)
    table.add_column("format", no_wrap=True)
    for score in ("accuracy", "fluency", "words/min"):
        table.add_column(score, justify="right")
    if has_experts:
        table.add_column("experts' accuracy", justify="right")
        table.add_column("experts' fluency", justify="right")
    table.add_column("state", ratio=2)
    table.add_column("as expected", justify="center")

    shown = _shown(recordings, outcomes, surprises)
    for message_id in shown:
        recording, outcome = recordings[message_id], outcomes.get(message_id)
        experts = recording.experts
        cells = [
            escape(recording.learner.name),
            escape(recording.text),
            recording.encoding.audio_format if recording.audio is not None else "typed",
            *_scores(outcome),
            *([f"{experts.accuracy:.1f}", f"{experts.fluency:.1f}"] if experts else []),
            _state(outcome),
            f"[red]✗ {escape(surprises[message_id])}[/]" if message_id in surprises else "✓",
        ]
        table.add_row(*cells)
    console.print(table)
    if len(shown) < len(recordings):
        console.print(f"{len(shown)} of {len(recordings)} recordings are shown.")
    if has_experts:
        _print_correlations(console, recordings, outcomes)
    counts = count_states(outcomes)
    console.print(", ".join(f"{counts[state]} {state}" for state in counts))


def _shown(
    recordings: Mapping[str, Recording],
    outcomes: Mapping[str, Outcome],
    surprises: Mapping[str, str],
) -> list[str]:
    """Choose the rows: all; or, of many, those that went wrong and an even sample of the rest."""
    if len(recordings) <= _MAX_ROWS:
        return list(recordings)
    analyzed = [
        message_id
        for message_id, outcome in outcomes.items()
        if outcome.state is ProcessingState.ANALYZED and message_id not in surprises
    ]
    wrong = [message_id for message_id in recordings if message_id not in set(analyzed)]
    rows = wrong[: _MAX_ROWS // 2]
    step = max(1, math.ceil(len(analyzed) / (_MAX_ROWS - len(rows))))
    return rows + analyzed[::step]


def _scores(outcome: Outcome | None) -> Iterator[str]:
    for score in ("accuracy", "fluency", "words_per_minute"):
        value = getattr(outcome, score, None)
        yield "" if value is None else str(value)


def _state(outcome: Outcome | None) -> str:
    if outcome is None:
        return "[red]gone[/]"
    coloured = f"[{_COLOURS.get(outcome.state, 'default')}]{outcome.state}[/]"
    return f"{coloured}: {escape(outcome.error)}" if outcome.error else coloured


def _print_correlations(
    console: Console, recordings: Mapping[str, Recording], outcomes: Mapping[str, Outcome]
) -> None:
    """Print how well our order of the learners agrees with the experts'."""
    for score in ("accuracy", "fluency"):
        pairs = [
            (getattr(outcome, score), getattr(experts, score))
            for message_id, outcome in outcomes.items()
            if (experts := recordings[message_id].experts) and getattr(outcome, score) is not None
        ]
        if len(pairs) > 1:
            ours, theirs = zip(*pairs, strict=True)
            console.print(
                f"{score}: rank correlation with the experts {rank_correlation(ours, theirs):.2f} "
                f"({len(pairs)} recordings; the scorer was calibrated on this corpus)"
            )
