"""Measure whether a mispronounced sound lowers its own score, and not its neighbours'.

    python benchmarks/locality.py [--corpus DIR] [--folds DIR] [--engine ENGINE]
                                  [--speakers N] [--pairs N] [--smoke] [--json]

Each recording is scored as it is and with one sound changed:

    spliced           a well-said phone of a learner is replaced by another phone of the same kind
                      from another recording of the same speaker
    spliced_same      the same phone from another recording instead: the effect of splicing alone
    minimal_pairs     a synthetic voice reads "ship" where the text says "sheep"

`own` is the mean drop of the changed phone's score (0-100), `near` that of the two phones before
and the two after it, `elsewhere` that of all other words; `ratio` is own / near (None if the
neighbours do not drop), and `lowest` the share of changes after which the changed phone has the
lowest score of its word (`lowest_before`: before the change). Recordings that the gate refuses, or
in which the engine then chooses another pronunciation, are counted as `left_out`. Without a corpus
nothing is spliced. With `--folds` every learner is scored by a model that was trained without that
learner.
"""

import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks import frame
from benchmarks.analysed_corpus import ENGINE, Job, with_folds
from benchmarks.sound_changes import ScoredPhone, scored_phones, spliced
from benchmarks.voices import Speaker, voices
from speech.scores.model import ScoringModel
from speech.text.lexicon import pronounce
from speech.text.phones import ALIKE
from training.corpus import Utterance, read_corpus

NEAR: Final = 2  # phones on either side
_WELL_SAID, _WORD_WELL_SAID = 1.8, 9.0  # experts' means, of 2 and 10
_LONGEST_RATIO: Final = 1.5  # of the durations of two phones
PAIRS: Final = (
    ("we saw a {} on the hill", "sheep", "ship"),
    ("please take a {} over there", "seat", "sit"),
    ("you can feel the {} now", "heat", "hit"),
    ("she has a very {} hat", "bad", "bed"),
    ("he put the {} on the table", "pan", "pen"),
    ("there is a {} in the kitchen", "cat", "cut"),
    ("the {} was too small for him", "cup", "cap"),
    ("they bought a {} last year", "boat", "bought"),
    ("we looked at the {} together", "pool", "pull"),
    ("I {} that it is true", "think", "sink"),
    ("he has a big {}", "mouth", "mouse"),
    ("it was the {} time today", "third", "bird"),
    ("turn to the {} please", "right", "light"),
    ("we ate some {} for dinner", "rice", "lice"),
    ("she opened the {} slowly", "vest", "west"),
    ("the {} is very old", "van", "fan"),
    ("I need a {} for this", "pack", "back"),
    ("he can {} very well", "sing", "thing"),
    ("the {} was on the floor", "coat", "goat"),
    ("put your {} in the box", "bag", "back"),
    ("the {} is very long", "road", "load"),
    ("we had a {} time", "nice", "mice"),
    ("the {} is full of water", "jar", "char"),
)


@dataclass(frozen=True, slots=True)
class Change:
    """Drops of scores after one phone was changed, 0-100."""

    own: float
    near: float
    elsewhere: float
    is_lowest: bool
    was_lowest: bool


def change_at(
    place: int, before: Sequence[ScoredPhone], after: Sequence[ScoredPhone]
) -> Change | None:
    """Compare scores; None if the changed recording was refused or has other phones."""
    if [one.name for one in before] != [one.name for one in after]:
        return None
    drops = [one.score - other.score for one, other in zip(before, after, strict=True)]
    word = before[place].word
    near = [*drops[max(0, place - NEAR) : place], *drops[place + 1 : place + 1 + NEAR]]
    elsewhere = [drop for drop, one in zip(drops, before, strict=True) if one.word != word]
    lowest = [min(one.score for one in some if one.word == word) for some in (after, before)]
    return Change(
        drops[place],
        float(np.mean(near)),
        float(np.mean(elsewhere)),
        is_lowest=after[place].score <= lowest[0],
        was_lowest=before[place].score <= lowest[1],
    )


def figures(changes: Sequence[Change | None]) -> dict[str, Any]:
    """Average the changes of one kind."""
    found = [change for change in changes if change]
    if not found:
        return {"changes": 0, "left_out": len(changes)}
    own, near, elsewhere = np.mean([(one.own, one.near, one.elsewhere) for one in found], axis=0)
    return {
        "changes": len(found),
        "left_out": len(changes) - len(found),
        "own": round(float(own), 2),
        "near": round(float(near), 2),
        "elsewhere": round(float(elsewhere), 2),
        "ratio": round(float(own / near), 2) if near > 0 else None,
        "lowest": round(float(np.mean([one.is_lowest for one in found])), 3),
        "lowest_before": round(float(np.mean([one.was_lowest for one in found])), 3),
    }


def splices(jobs: Sequence[Job], engine: str) -> Iterator[tuple[Change | None, Change | None]]:
    """Yield, for recordings of one speaker, what another phone changes and what the same does."""
    waveforms = [job.utterance.waveform() for job in jobs]
    scored = [
        scored_phones(waveform, job.text, engine, _model(job.model))
        for waveform, job in zip(waveforms, jobs, strict=True)
    ]
    donors: dict[str, list[tuple[int, ScoredPhone]]] = defaultdict(list)
    for index, (job, phones) in enumerate(zip(jobs, scored, strict=True)):
        for place in _well_said(job.utterance, phones):
            donors[phones[place].name].append((index, phones[place]))
    for index, (job, phones) in enumerate(zip(jobs, scored, strict=True)):
        chance = job.utterance.chance(2)
        inner = _well_said(job.utterance, phones)[NEAR:-NEAR]
        if not inner:
            continue
        place = int(chance.choice(inner))
        changes = []
        for names in (_alike(phones[place].name), {phones[place].name}):
            fitting = [
                (other, donor)
                for name in sorted(names)
                for other, donor in donors[name]
                if other != index and _is_as_long(donor, phones[place])
            ]
            if fitting:
                other, donor = fitting[chance.integers(len(fitting))]
                waveform = spliced(waveforms[index], phones[place], waveforms[other], donor)
                after = scored_phones(waveform, job.text, engine, _model(job.model))
                changes.append(change_at(place, phones, after))
        if len(changes) == 2:
            yield changes[0], changes[1]


def _well_said(utterance: Utterance, phones: Sequence[ScoredPhone]) -> list[int]:
    """Return the places of phones that experts rated as right, in words of that pronunciation."""
    places = []
    for index, word in enumerate(utterance.words):
        of_word = [place for place, one in enumerate(phones) if one.word == index]
        if (
            word.accuracy >= _WORD_WELL_SAID
            and len(word.phones) > 1
            and tuple(phones[place].name for place in of_word) == word.phones
        ):
            places += [
                place
                for place, rating in zip(of_word, word.phone_accuracy, strict=True)
                if rating >= _WELL_SAID
            ]
    return places


def _alike(name: str) -> set[str]:
    return {other for kind in ALIKE if name in kind for other in kind if other != name}


def _is_as_long(one: ScoredPhone, other: ScoredPhone) -> bool:
    ratio = (one.end - one.start) / (other.end - other.start)
    return 1 / _LONGEST_RATIO <= ratio <= _LONGEST_RATIO


_model = cache(lambda path: path and ScoringModel.from_file(path))


def minimal_pair(
    speaker: Speaker, engine: str, sentence: str, word: str, said: str
) -> Change | None:
    """Return what happens to the scores of `word` when a voice says `said`."""
    text = sentence.format(word)
    before = scored_phones(speaker(text), text, engine, None)
    after = scored_phones(speaker(sentence.format(said)), text, engine, None)
    index = sentence.split().index("{}")
    places = [place for place, one in enumerate(before) if one.word == index]
    wanted, other = (pronounce(each).variants[0] for each in (word, said))
    if tuple(before[place].name for place in places) != wanted:
        return None
    (changed,) = [at for at, pair in enumerate(zip(wanted, other, strict=True)) if len({*pair}) > 1]
    return change_at(places[changed], before, after)


def measure(
    corpus: Path | None, folds: Path | None, engine: str, speakers: int, pairs: int
) -> dict[str, Any]:
    """Change sounds of so many speakers, and let each voice read so many pairs."""
    found: dict[str, Any] = {"spliced": None, "spliced_same": None}
    if corpus:
        changes = [
            pair for jobs in _of_speakers(corpus, folds, speakers) for pair in splices(jobs, engine)
        ]
        found["spliced"] = figures([changed for changed, _ in changes])
        found["spliced_same"] = figures([same for _, same in changes])
    speaking, missing = voices()
    for name, reason in missing.items():
        print(f"{name} is left out: {reason}", file=sys.stderr)
    said = {
        name: [minimal_pair(speaker, engine, *pair) for pair in PAIRS[:pairs]]
        for name, speaker in speaking.items()
    }
    found["minimal_pairs"] = figures([change for some in said.values() for change in some])
    found["voices"] = {name: figures(some) for name, some in said.items()}
    return found


def _of_speakers(corpus: Path, folds: Path | None, count: int) -> Iterator[list[Job]]:
    jobs = [Job(one, one.text) for one in read_corpus(corpus)]
    by_speaker: dict[str, list[Job]] = defaultdict(list)
    for job in with_folds(jobs, folds) if folds else jobs:
        by_speaker[job.utterance.speaker].append(job)
    return islice(iter(by_speaker.values()), count)


def table(found: frame.Figures) -> str:
    """Format the figures for people."""
    columns = (
        "changes",
        "left_out",
        "own",
        "near",
        "elsewhere",
        "ratio",
        "lowest",
        "lowest_before",
    )
    rows: Mapping[str, Mapping[str, Any]] = {
        **{name: row for name, row in found.items() if row and name != "voices"},
        **found["voices"],
    }
    lines = [f"{'':26}" + "".join(f"{column:>14}" for column in columns)]
    lines += [
        f"{name:26}" + "".join(f"{row.get(column, '-')!s:>14}" for column in columns)
        for name, row in rows.items()
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    frame.run(
        measure,
        {
            "corpus": frame.Folder("folder of rated recordings"),
            "folds": frame.Folder("models that were each trained without some speakers"),
            "engine": ENGINE,
            "speakers": frame.Size(40, smoke=2, help="speakers of the corpus"),
            "pairs": frame.Size(len(PAIRS), smoke=1, help="minimal pairs for each voice"),
        },
        show=table,
    )
