"""`kaiwa-audio analyze`: analyse one recording locally."""

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cli.errors import errors_to_stderr
from cli.terminal import Terminal
from schema.states import AnalysisEngine
from schema.visible import visible


class RawFormat(StrEnum):
    """Encodings of headerless files."""

    PCM16 = "pcm16"
    ULAW = "g711_ulaw"
    ALAW = "g711_alaw"


def analyze(
    file: Annotated[
        Path, typer.Argument(help="Recording: WAV, MP3, M4A, WebM, Ogg and others, or raw samples.")
    ],
    text: Annotated[str, typer.Option(help="What the speaker meant to say.")],
    language: Annotated[str, typer.Option(help="Language of the text.")] = "en",
    engine: Annotated[
        AnalysisEngine,
        typer.Option(
            help="English: kaiwa-large scores best, kaiwa is faster. Every language: dtw, which "
            "measures pace and pauses. auto takes the one that tells most."
        ),
    ] = AnalysisEngine.AUTO,
    feedback_language: Annotated[
        str, typer.Option(help="Language of the feedback: de, en, es, fr, it, ja, ko, pt, zh.")
    ] = "en",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the whole analysis as JSON, and nothing else.")
    ] = False,
    as_html: Annotated[
        bool,
        typer.Option(
            "--html", help="Write an HTML page that includes the recording, and print its path."
        ),
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(help="Path of the HTML page.", show_default="RECORDING.html, in this folder"),
    ] = None,
    raw_format: Annotated[
        RawFormat | None, typer.Option("--format", help="Encoding of a headerless file.")
    ] = None,
    sample_rate: Annotated[
        int | None,
        typer.Option(
            help="Sample rate of a headerless file, Hz.", show_default="24000; 8000 for g711", min=1
        ),
    ] = None,
) -> None:
    """Score the pronunciation and fluency of a recording.

    Needs no server, database or network; nothing leaves this machine.
    """
    if as_json and as_html:
        problem = "Use either --json or --html, not both."
        raise typer.BadParameter(problem)
    if output and not as_html:
        problem = "--output requires --html."
        raise typer.BadParameter(problem)
    if sample_rate and not raw_format:
        problem = "--sample-rate requires --format."
        raise typer.BadParameter(problem)
    # These load models and codecs: only when a command needs them.
    from cli import analysis_page, analysis_table
    from speech import engine as speech_engine
    from speech.feedback.texts import languages, texts_in
    from speech.waveform import MAX_BYTES, SAMPLE_RATE_HZ, AudioEncoding, decode
    from tasks.analysis.engines import engine_for
    from tasks.analysis.records import analysis_of
    from tasks.analysis.voice import Voice

    if feedback_language not in languages():
        problem = f"There is no feedback in this language; choose {', '.join(languages())}."
        raise typer.BadParameter(problem, param_hint="--feedback-language")
    if not _is_unicode(text):
        typer.secho("The text is not UTF-8: check the terminal's encoding.", fg="red", err=True)
        raise typer.Exit(1)
    with errors_to_stderr():
        with file.open("rb") as stream:
            recording = stream.read(MAX_BYTES + 1)  # one more is refused as too long
        # The app's recordings are headerless samples under names that end in `.wav`.
        declared = raw_format or file.suffix.removeprefix(".") or "no format"
        waveform = decode(recording, AudioEncoding(declared, sample_rate))
        with Voice() as speak:
            analysis = speech_engine.analyze(
                waveform,
                text,
                language,
                engine=engine_for(engine, language),
                feedback_language=feedback_language,
                speak=speak,
            )
        title = visible(file.name)  # a name may be any bytes
        if as_json:
            typer.echo(visible(analysis_of(analysis, text).as_json().decode()))
        elif as_html:
            page = output or Path(f"{file.stem}.html")
            sound = analysis_page.playable(recording, waveform)
            made = analysis_page.render(
                texts_in(feedback_language),
                analysis,
                text,
                title=title,
                sound=sound,
                sound_seconds=len(waveform) / SAMPLE_RATE_HZ,
            )
            page.write_bytes(made.encode())
            # For programs unchanged, like the names that `ls` prints.
            typer.echo(visible(str(page)) if sys.stdout.isatty() else os.fsencode(page))
        else:
            console = Terminal(soft_wrap=False)
            console.print(analysis_table.render(analysis, title=title))


def _is_unicode(text: str) -> bool:
    """Return whether the argument was valid UTF-8, without surrogate escapes."""
    return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)
