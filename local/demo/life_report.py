"""Prints what became of the aged recordings, for a terminal of 80 columns."""

from collections.abc import Collection, Mapping

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from local.demo.audio_states import AudioState
from local.demo.old_recordings import AGE, OldRecording
from policy.configuration import DEFAULT_POLICY


def print_ages(
    console: Console,
    old: Collection[OldRecording],
    after_dry_run: Mapping[str, AudioState],
    after: Mapping[str, AudioState],
    answers: Mapping[str, int],
) -> None:
    """Print each recording's state after each sweep, and how its signed URL answers."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for title in (
        "learner",
        "tier",
        "kept",
        "after the\ndry run",
        "after the\nsweep",
        "its URL",
        "",
    ):
        table.add_column(title, no_wrap=title != "kept")
    for recording in old:
        message_id = recording.message_id
        kept = _periods(recording)
        is_right = after[message_id].is_stored != recording.goes
        table.add_row(
            escape(recording.learner),
            recording.tier,
            f"{kept}, on hold" if recording.is_held else kept,
            _state(after_dry_run[message_id]),
            _state(after[message_id]),
            str(answers[message_id]),
            "✓" if is_right else "[red]✗[/]",
        )
    console.print(table)
    console.print(
        f"[dim]all recorded {AGE.days} days ago; kept: retention and grace period; its URL: how "
        "the URL signed above answers now[/]"
    )


def _periods(recording: OldRecording) -> str:
    days = DEFAULT_POLICY.retention_days.of(recording.tier)
    return f"{days} + {DEFAULT_POLICY.cleanup.grace_period_days} days"


def _state(audio: AudioState) -> str:
    if audio.is_live != audio.is_stored:
        return "[red]torn[/]"
    return "there" if audio.is_live else "[yellow]deleted[/]"
