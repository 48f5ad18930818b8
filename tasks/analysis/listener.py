"""Analyse the recordings that arrive on a socket, in a process that is not trusted."""

import os
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import PurePath
from types import TracebackType
from typing import BinaryIO, Final

from schema.documents import storable
from schema.states import FailureCause
from speech.engine import analyze
from speech.errors import SpeechError
from speech.sound_facts import file_facts
from speech.synthetic_voice import Speak, SyntheticSpeech
from speech.waveform import MAX_BYTES, SAMPLE_RATE_HZ, AudioEncoding, decode
from tasks.analysis import wire
from tasks.analysis.records import analysis_of
from tasks.analysis.voice import spoken
from tasks.analysis.wire import (
    AnalysedAnswer,
    Answer,
    DescribedAnswer,
    FailedAnswer,
    ReadAloud,
    Reading,
    Request,
)

_MAX_REQUEST_BYTES: Final = 2**28  # a message's text has no limit


def listen(link: int) -> None:
    """Answer requests until the other side closes its end of the socket `link`."""
    # Read and written like a file, because the system calls for sockets are not allowed here.
    with os.fdopen(link, "rb", closefd=False) as requests, os.fdopen(link, "wb") as answers:
        while True:
            try:
                request = wire.read_frame(requests.read, _MAX_REQUEST_BYTES)
                audio = wire.read_frame(requests.read, MAX_BYTES)
            except EOFError:
                return
            speak = partial(_speak, requests.read, answers)
            answer = answer_to(Request.model_validate_json(request), audio, speak)
            document = answer.model_dump_json().encode()
            answers.write(wire.head(document) + document)
            answers.flush()


def _speak(
    read: Callable[[int], bytes],
    questions: BinaryIO,
    text: str,
    *,
    voice: str,
    words_per_minute: int,
) -> SyntheticSpeech:
    """Have a text read by the other side, which alone can start a voice."""
    asked = Reading(text=text, voice=voice, words_per_minute=words_per_minute)
    question = wire.ASK + asked.model_dump_json().encode()
    questions.write(wire.head(question) + question)
    questions.flush()
    said = ReadAloud.model_validate_json(wire.read_frame(read, wire.MOST_MARKS_BYTES))
    return spoken(said, wire.read_frame(read, wire.MOST_VOICE_BYTES))


def answer_to(request: Request, audio: bytes, speak: Speak) -> Answer:
    """Analyse or describe a recording."""
    try:
        if request.text is None:
            return DescribedAnswer(**asdict(file_facts(audio)))
        return _analysed(request, request.text, audio, speak)
    except SpeechError as error:
        return _failed(FailureCause(error.cause), str(error))
    except MemoryError:
        return _failed(FailureCause.CRASHED, "The analysis needed more memory than allowed.")
    except Exception as defect:  # noqa: BLE001 - a defect of ours fails only this message
        # The location only: the exception's text may quote the learner.
        return _failed(
            FailureCause.ENGINE_ERROR,
            f"{type(defect).__name__} at {_place(defect.__traceback__)} in the analysis; please "
            "report it.",
        )


def _analysed(request: Request, text: str, audio: bytes, speak: Speak) -> AnalysedAnswer:
    encoding = AudioEncoding(request.audio_format, request.sample_rate_hz, request.channels)
    waveform = decode(audio, encoding)
    analysis = analyze(
        waveform,
        text,
        request.language,
        engine=request.engine,
        feedback_language=request.feedback_language,
        speak=speak,
    )
    return AnalysedAnswer(
        audio_seconds=len(waveform) / SAMPLE_RATE_HZ, analysis=analysis_of(analysis, text)
    )


def _failed(cause: FailureCause, reason: str) -> FailedAnswer:
    return FailedAnswer.model_validate(
        {"cause": cause, "reason": storable(reason)[: wire.MAX_REASON_CHARACTERS]}
    )


def _place(frames: TracebackType | None) -> str:
    """Return where an exception was raised; without the source, which cannot be read here."""
    while frames is not None and frames.tb_next is not None:
        frames = frames.tb_next
    if frames is None:
        return "an unknown place"
    return f"{PurePath(frames.tb_frame.f_code.co_filename).name}:{frames.tb_lineno}"
