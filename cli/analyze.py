"""`kaiwa-audio analyze`: one recording and its text, analysed on the spot."""

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cli.errors import errors_to_stderr


class RawFormat(StrEnum):
    """Formats whose bytes do not tell what they are."""

    PCM16 = "pcm16"
    ULAW = "g711_ulaw"
    ALAW = "g711_alaw"


def analyze(
    file: Annotated[Path, typer.Argument(help="A recording: WAV, FLAC, MP3, Ogg, raw samples.")],
    text: Annotated[str, typer.Option(help="What was meant to be said.")],
    language: Annotated[str, typer.Option(help="Its language.")] = "en",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the whole analysis as JSON and nothing else.")
    ] = False,
    as_html: Annotated[
        bool, typer.Option("--html", help="Write a page with the sound in it, and print its path.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(help="Where to write the page.", show_default="the recording's name, here"),
    ] = None,
    raw_format: Annotated[
        RawFormat | None, typer.Option("--format", help="Of raw samples, which do not tell it.")
    ] = None,
    sample_rate: Annotated[
        int | None,
        typer.Option(help="Of raw samples, Hz.", show_default="24000; 8000 for g711", min=1),
    ] = None,
) -> None:
    """Say how well a recording was spoken: scores, words, pauses, what to practise.

    Needs no server, no database and no network; nothing leaves this machine.
    """
    if as_json and as_html:
        problem = "Give one of --json and --html."
        raise typer.BadParameter(problem)
    if output and not as_html:
        problem = "--output is for --html."
        raise typer.BadParameter(problem)
    if sample_rate and not raw_format:
        problem = "--sample-rate is for raw samples: give --format as well."
        raise typer.BadParameter(problem)
    # These load models and codecs: only when a command needs them.
    from cli import analysis_json, analysis_page, analysis_table
    from speech import engine
    from speech.waveform import MAX_BYTES, SAMPLE_RATE_HZ, AudioEncoding, decode

    if not _is_unicode(text):
        typer.secho("The text is not UTF-8: check the terminal's encoding.", fg="red", err=True)
        raise typer.Exit(1)
    with errors_to_stderr():
        with file.open("rb") as stream:
            recording = stream.read(MAX_BYTES + 1)  # one more is refused as too long
        # The app's own recordings are raw samples under names that end in `.wav`.
        declared = raw_format or file.suffix.removeprefix(".") or "no format"
        waveform = decode(recording, AudioEncoding(declared, sample_rate))
        analysis = engine.analyze(waveform, text, language)
        title = file.name.encode(errors="replace").decode()  # a name may be any bytes
        if as_json:
            typer.echo(analysis_json.dump(analysis))
        elif as_html:
            page = output or Path(f"{file.stem}.html")
            sound = analysis_page.playable(recording, waveform)
            made = analysis_page.render(
                analysis,
                text,
                title=title,
                sound=sound,
                sound_seconds=len(waveform) / SAMPLE_RATE_HZ,
            )
            page.write_bytes(made.encode())
            typer.echo(os.fsencode(page))
        else:
            console = Console(highlight=False, markup=False, emoji=False)
            console.print(analysis_table.render(analysis, title=title))


def _is_unicode(text: str) -> bool:
    """Whether it holds no bytes that the shell passed on though they are no UTF-8."""
    return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)
