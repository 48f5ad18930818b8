"""Analyse rated recordings, damaged or not, with one thread per process."""

import multiprocessing
import sys
import time
import traceback
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Final

from benchmarks import frame
from benchmarks.expert_agreement import Comparison, compare
from settings.processes import limit_blas_threads
from speech import engine as speech_engine
from speech.analysis import SpeechAnalysis
from speech.errors import NoSpeech, SpeechError, TextMismatch
from speech.scores.model import ENGINES, ScoringModel
from speech.waveform import AudioEncoding, decode
from training.channels import Channel
from training.corpus import Utterance
from training.held_out import speakers_held_out
from training.signals import Waveform

ENGINE: Final = frame.Choice(speech_engine.DEFAULT_ENGINE, ENGINES, "engine")
REJECTIONS: Final = (NoSpeech.cause, TextMismatch.cause)


@dataclass(frozen=True, slots=True)
class Job:
    """An utterance, the damage to its recording, the text to align, and the model."""

    utterance: Utterance
    text: str
    channel: Channel | None = None
    model: Path | None = None  # default: the shipped one


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of a job: a comparison, or the cause of its failure."""

    seconds: float  # of audio
    decode_cpu_seconds: float
    analyze_cpu_seconds: float
    comparison: Comparison | None
    cause: str | None

    @property
    def is_rejected(self) -> bool:
        """Whether the validity gate refused it."""
        return self.cause in REJECTIONS

    @property
    def is_failure(self) -> bool:
        """Whether it failed for any other reason."""
        return self.cause is not None and not self.is_rejected


def with_folds(jobs: Iterable[Job], folds: Path) -> list[Job]:
    """Assign to every job the model that was trained without its speaker.

    Args:
        jobs: Jobs with rated utterances.
        folds: Folder of models written by `training.calibrate`.

    Raises:
        ValueError: If all models were trained on some speaker.
    """
    judges = {
        speaker: path for path in sorted(folds.glob("*.npz")) for speaker in speakers_held_out(path)
    }
    jobs = list(jobs)
    if unknown := {job.utterance.speaker for job in jobs} - set(judges):
        msg = f"No model in {folds} was trained without the speakers {', '.join(sorted(unknown))}."
        raise ValueError(msg)
    return [replace(job, model=judges[job.utterance.speaker]) for job in jobs]


def outcomes(jobs: Iterable[Job], engine: str, processes: int) -> Iterator[Outcome]:
    """Analyse in the order of `jobs`; use one process to measure speed, more to save time."""
    limit_blas_threads()
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, spawn, speech_engine.load, ("en", engine)) as pool:
        yield from pool.map(partial(analyse, engine=engine), jobs)


def analyse(job: Job, engine: str = speech_engine.DEFAULT_ENGINE) -> Outcome:
    """Decode, send through the channel, analyse, compare."""
    model = None if job.model is None else _model(job.model)
    began = time.process_time()
    waveform = decode(job.utterance.audio.read_bytes(), AudioEncoding())
    decoded = time.process_time() - began
    if job.channel is not None:
        waveform = job.channel(waveform, job.utterance.chance(0))
    began = time.process_time()
    analysis, cause = _analysed(waveform, job.text, engine, model)
    elapsed = time.process_time() - began
    comparison = None if analysis is None else compare(job.utterance, analysis)
    return Outcome(job.utterance.seconds, decoded, elapsed, comparison, cause)


_model = cache(ScoringModel.from_file)


def _analysed(
    waveform: Waveform, text: str, engine: str, model: ScoringModel | None
) -> tuple[SpeechAnalysis | None, str | None]:
    try:
        return speech_engine.analyze(waveform, text, "en", engine=engine, model=model), None
    except SpeechError as error:
        return None, error.cause
    except Exception as error:  # noqa: BLE001 - defects are counted and reported
        traceback.print_exc(file=sys.stderr)
        return None, type(error).__name__
