"""espeak-ng as a command: text on stdin becomes mono little-endian PCM16 on stdout.

`python -m local.demo.espeak_process VOICE WORDS_PER_MINUTE PITCH`

espeak-ng is licensed under the GPL. Only this process loads it; the rest of the project uses it
through a pipe and is not linked with it.
"""

import ctypes
import sys
from typing import Any

import espeakng_loader

SAMPLE_RATE_HZ = 22_050  # of all its voices

# espeak-ng/speak_lib.h
_AUDIO_OUTPUT_SYNCHRONOUS = 2
_INITIALIZE_DONT_EXIT = 0x8000
_CHARS_UTF8 = 1
_POSITION_CHARACTER = 1
_RATE, _PITCH = 1, 3

_SynthesisCallback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_int16), ctypes.c_int, ctypes.c_void_p
)


def synthesize(text: str, voice: str, words_per_minute: int, pitch: int) -> bytes:
    """Return `text` as PCM16. Call it once a process: the library keeps state between calls.

    Raises:
        RuntimeError: If the library finds no voice data or does not have the voice.
    """
    library = ctypes.CDLL(str(espeakng_loader.get_library_path()))
    data_path = str(espeakng_loader.get_data_path()).encode()
    rate_hz = library.espeak_Initialize(
        _AUDIO_OUTPUT_SYNCHRONOUS, 0, data_path, _INITIALIZE_DONT_EXIT
    )
    if rate_hz != SAMPLE_RATE_HZ:
        msg = "espeak-ng found no voice data. Reinstall espeakng-loader."
        raise RuntimeError(msg)
    if library.espeak_SetVoiceByName(voice.encode()) != 0:
        msg = f"espeak-ng has no voice {voice!r}; its data folder `lang` lists them."
        raise RuntimeError(msg)
    library.espeak_SetParameter(_RATE, words_per_minute, 0)
    library.espeak_SetParameter(_PITCH, pitch, 0)

    spoken = bytearray()

    def collect(samples: Any, count: int, _events: object) -> int:  # noqa: ANN401 - ctypes pointer
        if samples and count > 0:
            spoken.extend(ctypes.string_at(samples, count * 2))
        return 0  # go on

    callback = _SynthesisCallback(collect)  # the library keeps a bare pointer to it
    library.espeak_SetSynthCallback(callback)
    utf8 = text.encode()
    library.espeak_Synth(
        utf8,
        ctypes.c_size_t(len(utf8) + 1),
        ctypes.c_uint(0),
        _POSITION_CHARACTER,
        ctypes.c_uint(0),
        ctypes.c_uint(_CHARS_UTF8),
        None,
        None,
    )
    return bytes(spoken)


if __name__ == "__main__":
    _, voice_name, words, height = sys.argv
    try:
        audio = synthesize(sys.stdin.buffer.read().decode(), voice_name, int(words), int(height))
    except RuntimeError as error:
        sys.exit(str(error))
    sys.stdout.buffer.write(audio)
