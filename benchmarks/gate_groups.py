"""Measure whom the validity gate refuses wrongly, by group of speakers and pace.

    python benchmarks/gate_groups.py [--corpus DIR] [--clips DIR] [--sample N] [--processes N]
                                     [--engine ENGINE] [--smoke] [--json]

CORPUS is a folder of rated learners (see `training/corpus.py`). CLIPS has one folder per group of
other speakers, with recordings and, beside each, its text in a `.txt` of the same name. Each
recording is analysed as it is, faster and slower with its pitch kept, and with the text of similar
length of another recording of its group. Prints the shares that are refused (no speech or text
mismatch). Without either folder nothing is measured.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final

import numpy as np
import soundfile

from benchmarks import frame
from benchmarks.analysed_corpus import ENGINE, Job, Outcome, outcomes
from training.corpus import Utterance, read_corpus
from training.signals import Waveform

TEMPOS: Final = {"as it is": 1.0, "1.3 times": 1.3, "1.6 times": 1.6, "0.75 times": 0.75}
OTHER_TEXT: Final = "other text"
_WINDOW, _HOP, _SEARCH = 640, 320, 160  # samples


def tempo(waveform: Waveform, _rng: np.random.Generator, *, times: float) -> Waveform:
    """Change the tempo, not the pitch, by overlapping similar pieces (WSOLA, Verhelst 1993)."""
    padded = np.pad(waveform, (_SEARCH, _WINDOW + 2 * _SEARCH))
    count = int(len(waveform) / (_HOP * times))
    window = np.hanning(_WINDOW + 1)[:-1].astype(np.float32)
    out = np.zeros(count * _HOP + _WINDOW, np.float32)
    place = _SEARCH
    for index in range(count):
        wanted = _SEARCH + int(index * _HOP * times)
        if index:
            natural = padded[place + _HOP : place + _HOP + _WINDOW]
            near = padded[wanted - _SEARCH : wanted + _SEARCH + _WINDOW]
            likeness = np.correlate(near, natural[: len(near)], "valid")
            energy = np.convolve(np.square(near), np.ones(_WINDOW, np.float32), "valid")
            place = wanted - _SEARCH + int((likeness / np.sqrt(energy + 1e-6)).argmax())
        out[index * _HOP : index * _HOP + _WINDOW] += window * padded[place : place + _WINDOW]
    return out


def read_clips(folder: Path) -> dict[str, list[Utterance]]:
    """Return the recordings of each group, those without a text left out."""
    return {
        group.name: [
            _clip(audio, group.name)
            for audio in sorted(group.iterdir())
            if audio.suffix != ".txt" and audio.with_suffix(".txt").exists()
        ]
        for group in sorted(folder.iterdir())
        if group.is_dir()
    }


def _clip(audio: Path, group: str) -> Utterance:
    text = audio.with_suffix(".txt").read_text(encoding="utf-8").strip()
    return Utterance(audio, group, soundfile.info(audio).duration, text, (), {}, {})


def jobs_of(utterances: Sequence[Utterance]) -> dict[str, list[Job]]:
    """Return the jobs of one group by what is done to the recording."""
    jobs = {
        name: [Job(one, one.text, partial(tempo, times=times)) for one in utterances]
        for name, times in TEMPOS.items()
    }
    jobs["as it is"] = [replace(job, channel=None) for job in jobs["as it is"]]
    jobs[OTHER_TEXT] = [Job(one, _other(one, utterances)) for one in utterances]
    return jobs


def _other(own: Utterance, utterances: Sequence[Utterance]) -> str:
    others = [one.text for one in utterances if one.text != own.text] or [own.text]
    return min(others, key=lambda text: abs(len(text) - len(own.text)))


def _refused(finished: Sequence[Outcome]) -> float:
    return round(sum(outcome.is_rejected for outcome in finished) / len(finished), 4)


def measure(
    corpus: Path | None, clips: Path | None, sample: int, engine: str, processes: int
) -> dict[str, Any]:
    """Return the shares of refusals and the number of recordings of each group."""
    groups = {"learners": read_corpus(corpus, sample)} if corpus else {}
    groups |= read_clips(clips) if clips else {}
    jobs = {name: jobs_of(group) for name, group in groups.items() if group}
    every = chain.from_iterable(some for by_name in jobs.values() for some in by_name.values())
    flat = outcomes(every, engine, processes)
    return {
        "groups": {
            group: {
                "recordings": len(groups[group]),
                **{name: _refused(list(islice(flat, len(some)))) for name, some in by_name.items()},
            }
            for group, by_name in jobs.items()
        }
    }


def table(found: frame.Figures) -> str:
    """Format the figures for people."""
    if not found["groups"]:
        return "Nothing to measure: give --corpus or --clips."
    columns = (*TEMPOS, OTHER_TEXT)
    lines = [f"{'refused, %':16}{'n':>6}" + "".join(f"{name:>12}" for name in columns)]
    lines += [
        f"{group:16}{shares['recordings']:6}"
        + "".join(f"{100 * shares[name]:12.1f}" for name in columns)
        for group, shares in found["groups"].items()
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    frame.run(
        measure,
        {
            "corpus": frame.Folder("folder of rated recordings"),
            "clips": frame.Folder("folder of recordings by group"),
            "sample": frame.Size(375, smoke=2, help="recordings of the corpus"),
            "engine": ENGINE,
            "processes": frame.Size(1, smoke=1, help="processes"),
        },
        show=table,
    )
