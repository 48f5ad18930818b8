"""Prints the demo's results, for a terminal of 80 columns."""

import math
from collections.abc import Iterator, Mapping

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from local.demo.corpus import rank_correlation
from local.demo.outcomes import Outcome, count_states
from local.demo.recordings import Recording
from schema.states import ProcessingState
from schema.wording import counted

_MAX_ROWS = 40
_COLOURS = {ProcessingState.ANALYZED: "green", ProcessingState.FAILED: "yellow"}


def print_report(
    console: Console,
    recordings: Mapping[str, Recording],
    outcomes: Mapping[str, Outcome],
    surprises: Mapping[str, str],
) -> None:
    """Print the table of results, the reasons for failures and surprises, and the counts."""
    has_experts = any(recording.experts for recording in recordings.values())
    rows = _chosen(recordings, outcomes, surprises)
    console.print(_table(rows, recordings, outcomes, surprises, has_experts=has_experts))
    legend = "accuracy and fluency 0 to 100; wpm: words a minute, pauses included"
    if has_experts:
        legend += "; experts: mean of five, 0 to 10"
    console.print(f"[dim]{legend}[/]")
    if len(rows) < len(recordings):
        console.print(f"[dim]{len(rows)} of {counted(len(recordings), 'recording')} shown.[/]")
    _print_reasons(console, rows, recordings, outcomes, surprises)
    if has_experts:
        _print_correlations(console, recordings, outcomes)
    counts = count_states(outcomes)
    console.print("\n" + ", ".join(f"{number} {state}" for state, number in counts.items()))


def _chosen(
    recordings: Mapping[str, Recording],
    outcomes: Mapping[str, Outcome],
    surprises: Mapping[str, str],
) -> list[str]:
    """Choose the rows: all, or of many those that went wrong and a sample of the rest."""
    if len(recordings) <= _MAX_ROWS:
        return list(recordings)
    analyzed = [
        message_id
        for message_id in recordings
        if message_id not in surprises and outcomes[message_id].state is ProcessingState.ANALYZED
    ]
    wrong = [message_id for message_id in recordings if message_id not in set(analyzed)]
    rows = wrong[: _MAX_ROWS // 2]
    step = max(1, math.ceil(len(analyzed) / (_MAX_ROWS - len(rows))))
    return rows + analyzed[::step]


def _table(
    rows: list[str],
    recordings: Mapping[str, Recording],
    outcomes: Mapping[str, Outcome],
    surprises: Mapping[str, str],
    *,
    has_experts: bool,
) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("learner", no_wrap=True)
    table.add_column("sentence")  # the only column that shrinks on a narrow terminal
    if not has_experts:  # the corpus has one format, and space is short
        table.add_column("format", no_wrap=True)
    for score in ("accu-\nracy", "flu-\nency", "wpm"):
        table.add_column(score, justify="right", no_wrap=True)
    if has_experts:
        table.add_column("expert\naccu.", justify="right", no_wrap=True)
        table.add_column("expert\nflu.", justify="right", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column("", no_wrap=True)
    for message_id in rows:
        recording, outcome = recordings[message_id], outcomes.get(message_id)
        experts = recording.experts
        table.add_row(
            escape(recording.learner.name),
            Text(recording.text, no_wrap=True, overflow="ellipsis"),
            *([] if has_experts else [_format(recording)]),
            *_scores(outcome),
            *([f"{experts.accuracy:.1f}", f"{experts.fluency:.1f}"] if experts else []),
            _state(outcome),
            "[red]✗[/]" if message_id in surprises else "✓",
        )
    return table


def _format(recording: Recording) -> str:
    return "typed" if recording.audio is None else recording.encoding.audio_format


def _scores(outcome: Outcome | None) -> Iterator[str]:
    for score in ("accuracy", "fluency", "words_per_minute"):
        value = getattr(outcome, score, None)
        yield "" if value is None else str(value)


def _state(outcome: Outcome | None) -> str:
    if outcome is None:
        return "[red]gone[/]"
    return f"[{_COLOURS.get(outcome.state, 'default')}]{outcome.state}[/]"


def _print_reasons(
    console: Console,
    rows: list[str],
    recordings: Mapping[str, Recording],
    outcomes: Mapping[str, Outcome],
    surprises: Mapping[str, str],
) -> None:
    for message_id in rows:
        outcome = outcomes.get(message_id)
        error = outcome.error if outcome else None
        if error is None and message_id not in surprises:
            continue
        console.print(f"\n[bold]{escape(recordings[message_id].text)}[/]")
        if error is not None:
            console.print(f"  {escape(error)}")
        if message_id in surprises:
            console.print(f"  [red]✗ {escape(surprises[message_id])}[/]")


def _print_correlations(
    console: Console, recordings: Mapping[str, Recording], outcomes: Mapping[str, Outcome]
) -> None:
    """Print the rank correlation of our scores with the experts'."""
    console.print(
        "\nRank correlation with the experts (on recordings that the scorer was fitted to):"
    )
    for score in ("accuracy", "fluency"):
        pairs = [
            (getattr(outcome, score), getattr(experts, score))
            for message_id, outcome in outcomes.items()
            if (experts := recordings[message_id].experts) and getattr(outcome, score) is not None
        ]
        if len(pairs) > 1:
            ours, theirs = zip(*pairs, strict=True)
            correlation = rank_correlation(ours, theirs)
            console.print(f"  {score} {correlation:.2f}, {counted(len(pairs), 'recording')}")
