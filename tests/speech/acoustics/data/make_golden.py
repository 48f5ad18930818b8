"""Write the cepstra and scores of senones that pocketsphinx computes for the clips.

Run from the repository: `python tests/speech/acoustics/data/make_golden.py`. The clips are rounded
to 16 bits first, the input format of pocketsphinx. It uses the four best densities of a codebook
and counts in units of 0.1 nats. Every 50th of its 5,126 scores is kept, in every third frame.
"""

import tempfile
from math import log
from pathlib import Path

import numpy as np
import soundfile
from pocketsphinx import Decoder

HERE = Path(__file__).parent
CLIPS = HERE.parents[1] / "data"
NAMES = ("fox", "pauses", "number")
SENONES = slice(0, None, 50)
FRAMES = slice(0, None, 3)
NATS = 1024 * log(1.0001)


def sixteen_bits(waveform):
    """Scale to half of full range, in whole steps."""
    return np.round(waveform * (16_384 / np.abs(waveform).max())).astype("<i2")


def listen(pcm):
    """Return cepstra, shape (T, 13), and nats of senones below the best one, shape (T, 5126)."""
    with tempfile.TemporaryDirectory() as folder:
        decoder = Decoder(
            lm=None,
            keyphrase="oh mighty computer",
            loglevel="FATAL",
            cmn="batch",
            compallsen=True,
            topn=4,
            ds=1,
            pl_window=0,
            mfclogdir=folder,
            senlogdir=folder,
        )
        decoder.start_utt()
        decoder.process_raw(pcm.tobytes(), full_utt=True)
        decoder.end_utt()
        (cepstra,) = Path(folder).glob("*.mfc")
        (scores,) = Path(folder).glob("*.sen")
        return read_cepstra(cepstra.read_bytes()), read_scores(scores.read_bytes())


def read_cepstra(data):
    """Read a count, then big-endian floats."""
    return np.frombuffer(data, ">f4", offset=4).reshape(-1, 13).astype(np.float32)


def read_scores(data):
    """Read a header, a byte-order mark, then for each frame a count and the scores."""
    values = np.frombuffer(data, "<i2", offset=data.index(b"endhdr\n") + len(b"endhdr\n") + 4)
    return values.reshape(-1, 1 + values[0])[:, 1:].astype(np.uint16)


def main():
    golden = {}
    for name in NAMES:
        waveform, _ = soundfile.read(CLIPS / f"{name}.flac", dtype="float32")
        cepstra, scores = listen(sixteen_bits(waveform))
        golden[f"{name}_cepstra"] = cepstra[FRAMES].astype(np.float32)
        golden[f"{name}_senones"] = scores[FRAMES, SENONES]
    np.savez_compressed(HERE / "golden.npz", **golden)


if __name__ == "__main__":
    main()
