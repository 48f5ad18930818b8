"""Measure the scores on bad recordings, and the refusals of the validity gate.

    python benchmarks/robustness.py --corpus DIR [--sample N] [--folds DIR] [--processes N]
                                    [--smoke] [--json]

The same sample of learners, spread evenly over speakers, is analysed clean and through each of the
channels below. Correlations are with the experts' means for the clean recording; `change` is the
difference in the correlation of accuracy, over recordings that have scores both clean and through
the channel. Then the gate gets sounds without speech, and recordings with wrong texts:

    wrong_transcript          the text of any other utterance
    wrong_transcript_similar  the text of the sample with the most similar number of phones
    similar_sounding          other words whose sounds differ by 15 to 35 % ("wreck a nice beach")
    half_said                 the right text, followed by that of another utterance
    other_language            synthetic voices say the translation (if espeak-ng is installed)
    said_twice                the right text, said twice

The printed shares are refusals (no speech or text mismatch) of all such recordings; the others may
still carry a warning. With `--folds` every learner is scored by a model that was trained without
that learner; see `benchmarks/pronunciation.py`.
"""

import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final

import soundfile

from benchmarks import frame
from benchmarks.analysed_corpus import Job, Outcome, outcomes, with_folds
from benchmarks.expert_agreement import LEVELS, agreement, agreement_by_level
from benchmarks.pronunciation import OPTIONS, cell
from local.demo.synthesis import SAMPLE_RATE_HZ, SynthesisFailed, Voice, speak
from training import channels, impostors
from training.channels import Channel
from training.corpus import Utterance, other_texts, read_corpus
from training.soundalikes import soundalike

CHANNELS: Final[dict[str, Channel | None]] = {
    "clean": None,
    "white20db": partial(channels.white_noise, snr_db=20.0),
    "white10db": partial(channels.white_noise, snr_db=10.0),
    "babble15db": partial(channels.babble, snr_db=15.0),
    "room": partial(channels.reverberation, rt60_seconds=0.4, direct_to_reverberant_db=3.0),
    "gain_minus20db": partial(channels.gain, db=-20.0),
    "ulaw8k": channels.mu_law,
    "mp3": partial(channels.mp3, kbits_per_second=32.0),
    "opus16": partial(channels.opus, kbits_per_second=16.0),
    "clip12db": partial(channels.clipping, db=12.0),
}
IMPOSTORS: Final[dict[str, Channel]] = {
    "silence": impostors.silence,
    "noise": impostors.noise,
    "music": impostors.music,
    "byteswapped": impostors.byte_swapped,
    "said_twice": impostors.said_twice,
}

# A sentence in another language, and the English text that the message has.
FOREIGN: Final = (
    ("de", "Ich möchte morgen früh mit dem Zug nach Hause fahren.",
     "I want to go home by train tomorrow morning."),
    ("de", "Meine Schwester arbeitet in einem großen Krankenhaus.",
     "My sister works in a big hospital."),
    ("fr", "Je voudrais une table pour deux personnes, s'il vous plaît.",
     "I would like a table for two people, please."),
    ("fr", "Il fait très beau aujourd'hui, on va se promener.",
     "The weather is lovely today, let us go for a walk."),
    ("es", "Ayer compré un libro muy interesante en el centro.",
     "Yesterday I bought a very interesting book in the centre."),
    ("es", "No entiendo la pregunta, ¿puede repetirla otra vez?",
     "I do not understand the question, can you repeat it?"),
    ("it", "La mia famiglia abita vicino al mare da molti anni.",
     "My family has lived near the sea for many years."),
    ("pt-br", "Amanhã vou visitar os meus avós no interior.",
     "Tomorrow I will visit my grandparents in the country."),
    ("ru", "Завтра мы поедем на дачу вместе с друзьями.",  # noqa: RUF001 - it is Russian
     "Tomorrow we will go to the cottage with our friends."),
    ("pl", "Mój brat lubi grać w piłkę nożną po szkole.",
     "My brother likes to play football after school."),
    ("sv", "Jag skulle vilja ha en kopp kaffe och en smörgås.",
     "I would like a cup of coffee and a sandwich."),
    ("tr", "Bugün hava çok güzel, parka gidelim mi?",
     "The weather is very nice today, shall we go to the park?"),
)  # fmt: skip
_VOICES: Final = ("", "+f4", "+m3")


def foreign_jobs(folder: Path) -> list[Job]:
    """Synthesise each sentence in several voices with espeak-ng into `folder`.

    Raises:
        SynthesisFailed: If it is not installed.
    """
    jobs = []
    for place, (language, sentence, translation) in enumerate(FOREIGN):
        for voice in _VOICES:
            audio = folder / f"{place}{voice}.flac"
            samples = speak(sentence, Voice(f"{language}{voice}"))
            soundfile.write(audio, samples, SAMPLE_RATE_HZ)
            seconds = len(samples) / SAMPLE_RATE_HZ
            utterance = Utterance(audio, "espeak-ng", seconds, sentence, (), {}, {})
            jobs.append(Job(utterance, translation))
    return jobs


def soundalike_jobs(right: Sequence[Job]) -> list[Job]:
    """Give each recording a text that sounds like its own, where one is found."""
    jobs = []
    for job in right:
        phones = [phone for word in job.utterance.words for phone in word.phones]
        found = soundalike(phones, job.utterance.spoken(), job.utterance.chance(1))
        if found:
            jobs.append(replace(job, text=" ".join(found.words)))
    return jobs


def shown_to_engine(right: Sequence[Job], folder: Path) -> dict[str, list[Job]]:
    """Return the jobs by the name of their figure; `right` has the correct texts."""
    utterances = [job.utterance for job in right]
    damaged = {**CHANNELS, **IMPOSTORS}
    jobs = {
        name: [replace(job, channel=channel) for job in right] for name, channel in damaged.items()
    }
    for name, similar in (("wrong_transcript", False), ("wrong_transcript_similar", True)):
        texts = other_texts(utterances, similar_length=similar)
        jobs[name] = [replace(job, text=text) for job, text in zip(right, texts, strict=True)]
    jobs["similar_sounding"] = soundalike_jobs(right)
    jobs["half_said"] = [
        replace(job, text=f"{job.text} {wrong.text}")
        for job, wrong in zip(right, jobs["wrong_transcript_similar"], strict=True)
    ]
    try:
        jobs["other_language"] = foreign_jobs(folder)
    except SynthesisFailed as error:
        print(f"other_language is left out: {error}", file=sys.stderr)
    return jobs


def figures(finished: Mapping[str, Sequence[Outcome]]) -> dict[str, Any]:
    """Return all figures by name; None for undefined correlations."""
    by_channel = {name: _correlations(finished[name]) for name in CHANNELS}
    return {
        "accuracy": {name: found["accuracy"] for name, found in by_channel.items()},
        "change": {name: _change(finished["clean"], finished[name]) for name in CHANNELS},
        "gate": {
            "false_rejections": _refused(finished["clean"]),
            **{name: _refused(some) for name, some in finished.items() if name not in CHANNELS},
        },
        "channels": by_channel,
        "utterances": len(finished["clean"]),
        "failed": sum(outcome.is_failure for some in finished.values() for outcome in some),
    }


def _correlations(finished: Sequence[Outcome]) -> dict[str, float | None]:
    compared = [outcome.comparison for outcome in finished if outcome.comparison]
    return {
        **{level: found.overall for level, found in agreement_by_level(compared).items()},
        "rejected": _refused(finished),
    }


def _change(clean: Sequence[Outcome], damaged: Sequence[Outcome]) -> float | None:
    both = [
        (one.comparison, other.comparison)
        for one, other in zip(clean, damaged, strict=True)
        if one.comparison and other.comparison
    ]
    before = agreement([(one.speaker, one.means["accuracy"]) for one, _ in both]).overall
    after = agreement([(other.speaker, other.means["accuracy"]) for _, other in both]).overall
    return None if before is None or after is None else round(after - before, 4)


def _refused(finished: Sequence[Outcome]) -> float:
    return round(sum(outcome.is_rejected for outcome in finished) / len(finished), 4)


def table(found: frame.Figures) -> str:
    """Format the figures for people."""
    columns = (*LEVELS, "rejected")
    lines = [f"{'':26}" + "".join(f"{column:>10}" for column in (*columns, "change"))]
    lines += [
        f"{name:26}"
        + "".join(f"{cell(by_level[column]):>10}" for column in columns)
        + f"{cell(found['change'][name]):>10}"
        for name, by_level in found["channels"].items()
    ]
    lines += ["", f"{'refused by the gate':26}"]
    lines += [f"{name:26}{100 * share:9.1f} %" for name, share in found["gate"].items()]
    lines += [f"{found['utterances']} recordings a line, {found['failed']} failures in all"]
    return "\n".join(lines)


def measure(corpus: Path, sample: int, folds: Path | None, processes: int) -> dict[str, Any]:
    """Analyse the sample through every channel, and the recordings that must be refused."""
    right = [Job(one, one.text) for one in read_corpus(corpus, sample)]
    if folds:
        right = with_folds(right, folds)
    with tempfile.TemporaryDirectory(prefix="kaiwa-benchmark-") as folder:
        jobs = shown_to_engine(right, Path(folder))
        flat = outcomes(chain.from_iterable(jobs.values()), processes)
        finished = {name: list(islice(flat, len(some))) for name, some in jobs.items()}
    return figures(finished)


if __name__ == "__main__":
    frame.run(
        measure,
        {
            "sample": frame.Size(
                375, smoke=2, help="recordings, three of each speaker in the corpus"
            ),
            **OPTIONS,
        },
        show=table,
    )
