"""Real learners for the demo: speechocean762, read English by Mandarin speakers.

Zhang et al., "speechocean762: An Open-Source Non-native English Speech Corpus For Pronunciation
Assessment", Interspeech 2021. The folder holds `labels.jsonl` and `audio/<utterance>.flac`; five
experts scored each utterance from 0 to 10.
"""

import itertools
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from local.demo.recordings import FLAC, Experts, Learner, Recording
from schema.states import UserTier

# The corpus has no tiers: here a tenth of the speakers are guests and a tenth pay for premium.
_TIERS = (UserTier.GUEST, UserTier.PREMIUM, *[UserTier.FREE] * 8)


def read_corpus(folder: Path, count: int) -> Iterator[Recording]:
    """Yield up to `count` utterances by as many speakers as possible, the same each time.

    Raises:
        FileNotFoundError: If the folder holds no `labels.jsonl`, or an utterance's file is missing.
    """
    by_speaker: dict[str, list[dict[str, Any]]] = defaultdict(list)
    with (folder / "labels.jsonl").open() as lines:
        for line in lines:
            label = json.loads(line)
            by_speaker[label["speaker"]].append(label)
    tiers = dict(zip(by_speaker, itertools.cycle(_TIERS), strict=False))
    for label in itertools.islice(_round_robin(by_speaker.values()), count):
        yield _recording(folder, label, tiers[label["speaker"]])


def _round_robin(lists: Iterable[list[dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    """Yield every list's first item, then every list's second, and so on."""
    for row in itertools.zip_longest(*lists):
        yield from (item for item in row if item is not None)


def _recording(folder: Path, label: dict[str, Any], tier: UserTier) -> Recording:
    return Recording(
        learner=Learner(label["speaker"], tier),
        text=label["text"].capitalize(),  # the corpus writes capitals only
        audio=(folder / "audio" / f"{label['utterance']}.flac").read_bytes(),
        encoding=FLAC,
        duration_seconds=label["seconds"],
        expected=None,
        experts=Experts(label["accuracy"], label["fluency"]),
    )


def rank_correlation(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return Spearman's rank correlation; ties share their mean rank; NaN if one is constant."""
    with np.errstate(invalid="ignore"):
        return float(np.corrcoef(_ranks(ours), _ranks(theirs))[0, 1])


def _ranks(numbers: Sequence[float]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    _, inverse, counts = np.unique(numbers, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[inverse]
