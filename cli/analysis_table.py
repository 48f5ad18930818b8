"""Output of an analysis as text in a terminal."""

from collections.abc import Iterator
from typing import Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Column, Table
from rich.text import Text

from cli.analysis_view import shown_scores, shown_words
from schema.wording import agreeing
from speech.analysis import SpeechAnalysis
from speech.feedback.texts import DEFAULT_LANGUAGE, texts_in

# Colours only repeat the last column.
_STYLES: Final = {
    "clear": "green",
    "fair": "yellow",
    "unclear": "bold red",
    "hesitation": "dim",
    "not judged": "dim",
}
_BAR: Final = 10


def render(analysis: SpeechAnalysis, *, title: str) -> RenderableType:
    """Lay out scores, words, pauses and advice."""
    return Group(*_parts(analysis, title))


def _parts(analysis: SpeechAnalysis, title: str) -> Iterator[RenderableType]:
    yield Text(title, "bold")
    for one in shown_scores(analysis):
        interval = one.interval and "; experts would probably give {} to {}".format(*one.interval)
        yield Text(f"{one.name} {one.score} of 100{interval or ''}.")
    yield Text(
        f"{analysis.speech_rate_wpm} words a minute, {analysis.articulation_rate_wpm} without "
        f"pauses. {_pauses(analysis)}"
    )
    for warning in analysis.analysis_warnings:
        yield Text(f"Note: {warning}", "yellow")
    yield Text()
    yield _words(analysis)
    if analysis.problematic_words:
        yield Text("\nWords to practise", "bold")
    for word in analysis.problematic_words:
        yield Text(f"{word.word} (at {word.start_ms / 1000:.1f} s)", _STYLES["unclear"])
        yield Padding(Text(f"{word.issue} {word.suggestion or ''}".strip()), (0, 0, 0, 2))
    if analysis.recommendations:
        yield Text("\nAdvice", "bold")
    for advice in analysis.recommendations:
        yield Text(advice)
    if analysis.practice_words:
        yield Text(f"\nSay these aloud: {', '.join(analysis.practice_words)}.")


def _pauses(analysis: SpeechAnalysis) -> str:
    pauses = _counted(analysis.pause_count, "pause")
    if analysis.pause_count:
        pauses += (
            f", {analysis.total_pause_duration_ms / 1000:.1f} s in all, "
            f"the longest {analysis.longest_pause_duration_ms / 1000:.1f} s"
        )
    return f"{pauses}. {_counted(analysis.hesitation_count, 'hesitation')}."


def _counted(count: int, what: str) -> str:
    return f"{count or 'No'} {agreeing(count, what, f'{what}s')}"


def _words(analysis: SpeechAnalysis) -> Table:
    table = Table(
        Column("Start", justify="right"),
        Column("End", justify="right"),
        Column("Word", overflow="fold"),
        Column("Said well", justify="right"),
        "",
        "",
        box=None,
        padding=(0, 2, 0, 0),
    )
    words = iter(shown_words(texts_in(DEFAULT_LANGUAGE), analysis))
    for timing in analysis.speech_timings:
        times = (f"{timing.start_ms / 1000:.2f} s", f"{timing.end_ms / 1000:.2f} s")
        if timing.is_pause:
            seconds = (timing.end_ms - timing.start_ms) / 1000
            table.add_row(*times, f"— pause of {seconds:.1f} s —", style="dim")
            continue
        word = next(words)
        style = _STYLES[word.verdict]
        shown = Text(word.text, style)
        if word.percent is None:
            table.add_row(*times, shown, "", "", Text(word.verdict, style))
            continue
        filled = round(_BAR * word.percent / 100)
        bar = Text("█" * filled + "░" * (_BAR - filled), style)
        table.add_row(*times, shown, f"{word.percent} %", bar, Text(word.verdict, style))
    return table
