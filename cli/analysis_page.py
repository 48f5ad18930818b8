"""Output of an analysis as one self-contained HTML file with sound, style and script.

Its content security policy allows only its own sound, style and script, the latter two by hash;
all text is escaped.
"""

import base64
import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import soundfile
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from numpy.typing import NDArray

from cli.analysis_view import ShownWord, shown_scores, shown_words
from speech.analysis import SpeechAnalysis
from speech.feedback.texts import Texts
from speech.formats import WAV, identify
from speech.waveform import SAMPLE_RATE_HZ

_TEMPLATES: Final = Path(__file__).parent / "templates"
_PIXELS_PER_SECOND: Final = 60  # width of pauses in the text
_CLOSING: Final = ",.;:!?)\"'…\u201d\u2019"  # punctuation between a word and its pause

# What current browsers play, by the names of `speech.formats`; WAV depends on its encoding.
_MEDIA_TYPES: Final = {
    "flac": "audio/flac",
    "mp3": "audio/mpeg",
    "mp4": "audio/mp4",
    "ogg": "audio/ogg",
    "webm": "audio/webm",
}
_WAV_SUBTYPES: Final = {"PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT"}


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of the text: up to one word or pause, and the text before it."""

    before: str
    word: ShownWord | None = None
    pause_seconds: float = 0.0

    @property
    def pause_pixels(self) -> int:
        """Width of the pause on the page."""
        return round(_PIXELS_PER_SECOND * self.pause_seconds)


def playable(recording: bytes, waveform: NDArray[np.float32]) -> str:
    """Return a data URI that browsers can play: the recording itself if possible, or a WAV.

    Args:
        recording: The file's bytes.
        waveform: Decoded recording, mono at 16 kHz.
    """
    media_type = _media_type(recording)
    if media_type is None:
        media_type, recording = "audio/wav", _wav(waveform)
    return f"data:{media_type};base64,{base64.b64encode(recording).decode('ascii')}"


def render(
    texts: Texts,
    analysis: SpeechAnalysis,
    text: str,
    *,
    title: str,
    sound: str,
    sound_seconds: float,
) -> str:
    """Return the page.

    Args:
        texts: The language of the feedback and of the page.
        analysis: Analysis of the recording.
        text: The transcript that the analysis' offsets refer to.
        title: Title of the page, such as the file's name.
        sound: A data URI.
        sound_seconds: Duration of the sound.
    """
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    style, script = (
        (_TEMPLATES / name).read_text(encoding="utf-8") for name in ("analysis.css", "analysis.js")
    )
    words = shown_words(texts, analysis)
    return environment.get_template("analysis.html.j2").render(
        texts=texts, analysis=analysis, title=title, sound=sound, words=words,
        scores=shown_scores(analysis),
        sound_ms=round(1000 * sound_seconds),
        pieces=list(_pieces(analysis, text, words)),
        style=Markup(style), style_hash=_hash(style),  # noqa: S704 - our own file
        script=Markup(script), script_hash=_hash(script),  # noqa: S704 - our own file
    )  # fmt: skip


def _pieces(analysis: SpeechAnalysis, text: str, words: list[ShownWord]) -> Iterator[Piece]:
    """Split the text at its words and pauses without losing any of it."""
    position, following = 0, iter(words)
    for timing in analysis.speech_timings:
        # Place pauses and unwritten hesitations after the punctuation of the previous word.
        start = timing.char_start if timing.word else _past_closing(text, position)
        if timing.is_pause:
            seconds = (timing.end_ms - timing.start_ms) / 1000
            yield Piece(text[position:start], pause_seconds=seconds)
        else:
            yield Piece(text[position:start], next(following))
        position = timing.char_end if timing.word else start
    yield Piece(text[position:])


def _past_closing(text: str, position: int) -> int:
    return len(text) - len(text[position:].lstrip(_CLOSING)) if position else 0


def _media_type(recording: bytes) -> str | None:
    found = identify(recording)
    if found is WAV:
        return "audio/wav" if _plays_as_wav(recording) else None
    return _MEDIA_TYPES.get(found.name) if found else None


def _plays_as_wav(recording: bytes) -> bool:
    try:
        described = soundfile.info(io.BytesIO(recording))
    except soundfile.LibsndfileError:
        return False
    return described.format in {"WAV", "WAVEX"} and described.subtype in _WAV_SUBTYPES


def _wav(waveform: NDArray[np.float32]) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, waveform, SAMPLE_RATE_HZ, format="WAV", subtype="PCM_16")
    return file.getvalue()


def _hash(source: str) -> str:
    return base64.b64encode(hashlib.sha256(source.encode()).digest()).decode("ascii")
