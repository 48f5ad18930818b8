"""Which findings the app's list gets from an analysis, and what that changes there.

A word is reported if the analysis calls it problematic and advises practising it, which it does
not for words that were not heard at all. A message has one finding for each feature, about its
worst word.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID, uuid5

from schema.documents import ProblematicWord
from schema.facts.findings import (
    AnalysedMessage,
    ExportReport,
    Feature,
    Finding,
    FindingDocuments,
    FindingText,
    StoredFinding,
)

MACRO_SKILL = "pronunciation"
PHONEME = "phoneme"
WORD, CLARITY = "word", "clarity"  # it was hard to recognise, and no single sound is to blame

_NAMESPACE = UUID("5b0f7f5e-3a53-4c0e-9d0b-6d1c2f3c8a41")
_SEVERITIES = {"low": "info", "medium": "hint", "high": "warning"}
_NAMED_SOUND = re.compile(r"/([^/\s]+)/")


@dataclass(frozen=True, slots=True)
class Changes:
    """What makes the stored findings of some messages the wanted ones."""

    write: tuple[Finding, ...]  # new ones, and those that say something else now
    remove: tuple[UUID, ...]
    report: ExportReport


def findings(message: AnalysedMessage) -> list[Finding]:
    """Return what a message's analysis has to tell, the worst first."""
    documents = message.documents
    if documents is None:
        return []
    by_feature: dict[Feature, list[ProblematicWord]] = {}
    for word in documents.problematic_words:
        if word.word in documents.practice_words:
            by_feature.setdefault(_feature(word, documents, message.language), []).append(word)
    return [
        Finding(
            finding_id(message.message_id, feature),
            message.message_id,
            feature,
            _text(message.content, documents, words),
        )
        for feature, words in by_feature.items()
    ]


def finding_id(message_id: str, feature: Feature) -> UUID:
    """Return the id of a message's finding about a feature, the same at every export."""
    return uuid5(_NAMESPACE, f"{message_id}\n{feature.id}")


def changes(messages: int, wanted: Sequence[Finding], stored: Collection[StoredFinding]) -> Changes:
    """Compare what is wanted of some messages with what is stored of them.

    What nothing says any more is removed, unless the learner has acted on it.
    """
    before = {finding.id: finding for finding in stored}
    added = [finding for finding in wanted if finding.id not in before]
    known = [finding for finding in wanted if finding.id in before]
    changed = [finding for finding in known if finding.says != before[finding.id].says]
    gone = [before[id_] for id_ in before.keys() - {finding.id for finding in known}]
    remove = tuple(finding.id for finding in gone if not finding.acted_on)
    return Changes(
        write=(*added, *changed),
        remove=remove,
        report=ExportReport(
            messages=messages,
            added=len(added),
            changed=len(changed),
            unchanged=len(known) - len(changed),
            removed=len(remove),
            kept=len(gone) - len(remove),
        ),
    )


def _feature(word: ProblematicWord, documents: FindingDocuments, language: str) -> Feature:
    """The sound that the issue names first, if the word's phonemes have it; else the whole word."""
    named = _NAMED_SOUND.search(word.issue)
    sounds = {
        said.expected_phoneme or said.phoneme
        for said in documents.phoneme_analysis
        if word.start_ms <= said.start_ms and said.end_ms <= word.end_ms
    }
    if named and named[1] in sounds:
        return Feature(language, MACRO_SKILL, PHONEME, named[1])
    return Feature(language, MACRO_SKILL, WORD, CLARITY)


def _text(
    content: str, documents: FindingDocuments, words: Sequence[ProblematicWord]
) -> FindingText:
    worst, *others = words
    start, end = _offsets(worst, documents, content)
    sentences = [worst.issue, worst.suggestion or ""]
    if others:
        sentences.append(f"Also in {', '.join(f'“{word.word}”' for word in others)}.")
    return FindingText(
        severity=_SEVERITIES[worst.severity],
        offset_start=start,
        offset_end=end,
        original_text=worst.word,
        explanation=" ".join(filter(None, sentences)),
        metadata={
            "startMs": worst.start_ms,
            "endMs": worst.end_ms,
            "analysisVersion": documents.analysis_version,
        },
    )


def _offsets(
    word: ProblematicWord, documents: FindingDocuments, content: str
) -> tuple[int, int] | tuple[None, None]:
    """Where the text has the word; nowhere if somebody changed the text since."""
    units = content.encode("utf-16-le")
    for timing in documents.speech_timings:
        if (timing.word, timing.start_ms) == (word.word, word.start_ms):
            there = units[2 * timing.char_start : 2 * timing.char_end]
            if there == word.word.encode("utf-16-le"):
                return timing.char_start, timing.char_end
    return None, None
