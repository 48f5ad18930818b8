"""Make the clips of this folder: espeak-ng's voice "en-us+f3", with exact silences inserted.

    python tests/speech/data/make_clips.py

espeak-ng is GPL; it runs as a separate process, apart from this project's code.
"""

import ctypes
from pathlib import Path

import espeakng_loader
import numpy as np
import soundfile
import soxr

HERE = Path(__file__).parent
RATE_HZ = 16_000
RETRIEVAL, RATE_PARAMETER, UTF8 = 1, 1, 1

# Name: parts of the text, and the seconds of silence between them.
CLIPS = {
    "fox": (["The quick brown fox jumps over the lazy dog."], []),
    "pauses": (["I would like", "a glass of water,", "please."], [0.6, 0.4]),
    "number": (["She was born in nineteen ninety-nine in a small town."], []),
}


def main():
    espeak = ctypes.CDLL(espeakng_loader.get_library_path())
    data = str(espeakng_loader.get_data_path()).encode()
    rate_hz = espeak.espeak_Initialize(RETRIEVAL, 0, data, 0)
    espeak.espeak_SetVoiceByName(b"en-us+f3")
    espeak.espeak_SetParameter(RATE_PARAMETER, 150, 0)
    samples = []

    @ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
    def collect(wave, count, _events):
        if wave:
            samples.extend(wave[:count])
        return 0

    espeak.espeak_SetSynthCallback(collect)
    for name, (texts, silences) in CLIPS.items():
        parts = [np.zeros(RATE_HZ // 5)]
        for index, text in enumerate(texts):
            samples.clear()
            spoken = text.encode()
            espeak.espeak_Synth(spoken, len(spoken) + 1, 0, 0, 0, UTF8, None, None)
            espeak.espeak_Synchronize()
            part = soxr.resample(np.array(samples) / 32768, rate_hz, RATE_HZ)
            loud = np.flatnonzero(np.abs(part) > 0.01)
            parts.append(part[loud[0] : loud[-1]])
            parts.append(
                np.zeros(round(RATE_HZ * silences[index])) if index < len(silences) else []
            )
        clip = np.concatenate([*parts, np.zeros(RATE_HZ // 5)])
        soundfile.write(HERE / f"{name}.flac", clip, RATE_HZ, subtype="PCM_16")


if __name__ == "__main__":
    main()
