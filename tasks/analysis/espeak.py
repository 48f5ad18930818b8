"""espeak-ng as a process: reads texts aloud until its standard input ends.

    python -I -m tasks.analysis.espeak

A question is a frame of JSON (`tasks.analysis.wire.Reading`); its answer is two, JSON and PCM16.
espeak-ng is licensed under the GPL. Only this process loads it; the rest of the project talks to it
through pipes and is not linked with it. It keeps its state in globals, so that a reading would
depend on those before it, and after some 170 changes of voice it reads nonsense: each reading is
done by a fork of the process as it was at first.
"""

import ctypes
import gc
import os
import resource
import signal
import sys
from contextlib import suppress
from typing import Any, BinaryIO, Final, NoReturn

import espeakng_loader

from tasks.analysis import wire
from tasks.sandbox import kernel

_MOST_QUESTION_BYTES: Final = 2**24
_MOST_MEMORY_BYTES: Final = 2**30

# espeak-ng/speak_lib.h
_AUDIO_OUTPUT_SYNCHRONOUS: Final = 2
_INITIALIZE: Final = 0x1 | 0x2 | 0x8000  # events of phones, in IPA; do not exit on errors
_CHARS_UTF8: Final = 1
_POSITION_CHARACTER: Final = 1
_RATE, _PITCH = 1, 3
_END_OF_EVENTS, _WORD, _PHONE = 0, 1, 7


class _Id(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("phone", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    )


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_int16), ctypes.c_int, ctypes.POINTER(_Event)
)


class Espeak:
    """The library; one instance a process."""

    def __init__(self) -> None:
        """Load it.

        Raises:
            RuntimeError: If it finds no data.
        """
        self._library = ctypes.CDLL(str(espeakng_loader.get_library_path()))
        folder = str(espeakng_loader.get_data_path()).encode()
        arguments = (_AUDIO_OUTPUT_SYNCHRONOUS, 0, folder, _INITIALIZE)
        if self._library.espeak_Initialize(*arguments) != wire.VOICE_RATE_HZ:
            message = "espeak-ng found no voice data. Install the package espeakng-loader again."
            raise RuntimeError(message)
        self._callback = _Callback(self._collect)  # the library keeps a bare pointer to it
        self._library.espeak_SetSynthCallback(self._callback)
        self._samples = bytearray()
        self._words: list[tuple[int, int]] = []
        self._phones: list[tuple[str, int]] = []

    def choose(self, voice: str) -> None:
        """Load a voice.

        Raises:
            RuntimeError: If there is no such voice.
        """
        if self._library.espeak_SetVoiceByName(voice.encode()):
            message = f"espeak-ng has no voice {voice!r}."
            raise RuntimeError(message)

    def read(self, question: wire.Reading) -> tuple[wire.ReadAloud, bytes]:
        """Read a text aloud with the voice that was chosen."""
        self._library.espeak_SetParameter(_RATE, question.words_per_minute, 0)
        self._library.espeak_SetParameter(_PITCH, question.pitch, 0)
        self._samples, self._words, self._phones = bytearray(), [], []
        text = question.text.encode()
        self._library.espeak_Synth(
            text,
            ctypes.c_size_t(len(text) + 1),
            ctypes.c_uint(0),
            _POSITION_CHARACTER,
            ctypes.c_uint(0),
            ctypes.c_uint(_CHARS_UTF8),
            None,
            None,
        )
        return wire.ReadAloud(words=self._words, phones=self._phones), bytes(self._samples)

    def _collect(self, samples: Any, count: int, events: Any) -> int:  # noqa: ANN401 - pointers
        if samples and count > 0:
            self._samples += ctypes.string_at(samples, 2 * count)
        index = 0
        while (event := events[index]).type != _END_OF_EVENTS:
            at = max(event.audio_position, 0)
            if event.type == _WORD:
                self._words.append((event.text_position - 1, at))  # counted from 1
            elif event.type == _PHONE:
                self._phones.append((event.id.phone.decode(errors="replace"), at))
            index += 1
        return 0  # go on


def main() -> None:
    """Answer until the parent closes its end."""
    with suppress(OSError):  # other systems than Linux
        kernel.end_with_parent(signal.SIGKILL)
        kernel.forbid_new_privileges()
    for limit, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_AS, _MOST_MEMORY_BYTES),
    ):
        with suppress(OSError, ValueError):  # macOS refuses some
            resource.setrlimit(limit, (value, value))
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever the library prints
    espeak = Espeak()
    gc.freeze()  # so that the collector writes to no page that forks share
    with suppress(EOFError):
        while True:
            frame = wire.read_frame(sys.stdin.buffer.read, _MOST_QUESTION_BYTES)
            question = wire.Reading.model_validate_json(frame)
            reader = os.fork()
            if not reader:
                _answer(espeak, question, answers)
            _, status = os.waitpid(reader, 0)
            if status:
                sys.exit("A text could not be read.")


def _answer(espeak: Espeak, question: wire.Reading, answers: BinaryIO) -> NoReturn:
    """Read, and end this process without cleaning up."""
    try:
        espeak.choose(question.voice)
        said, samples = espeak.read(question)
        document = said.model_dump_json().encode()
        for part in (wire.head(document), document, wire.head(samples), samples):
            answers.write(part)
        answers.flush()
    except BaseException:  # noqa: BLE001 - nothing may run on as a copy of the process
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    main()
