"""Derive findings for the app's list from analyses, and compare them with the stored ones.

A word is reported if the analysis lists it both as problematic and as worth practising; words that
were not heard at all are not. A message has at most one finding per feature, about its worst word.
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
WORD, CLARITY = "word", "clarity"  # the word was unclear, but no single sound is at fault

_NAMESPACE = UUID("5b0f7f5e-3a53-4c0e-9d0b-6d1c2f3c8a41")
_SEVERITIES = {"low": "info", "medium": "hint", "high": "warning"}
_NAMED_SOUND = re.compile(r"/([^/\s]+)/")


@dataclass(frozen=True, slots=True)
class Changes:
    """What to write and remove, so that the stored findings match the analyses."""

    write: tuple[Finding, ...]  # new and changed ones
    remove: tuple[UUID, ...]
    report: ExportReport


def findings(message: AnalysedMessage) -> list[Finding]:
    """Return the findings of a message's analysis, worst first."""
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
    """Return the id of a message's finding about a feature; stable across exports."""
    return uuid5(_NAMESPACE, f"{message_id}\n{feature.id}")


def changes(messages: int, wanted: Sequence[Finding], stored: Collection[StoredFinding]) -> Changes:
    """Compare the wanted findings of some messages with the stored ones.

    Stored findings that are no longer wanted are removed, unless the learner has acted on them.
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
    """Return the sound at fault if it is one of the word's; else the whole word."""
    named = word.sound or _sound_of_earlier_versions(word.issue)
    sounds = {
        phoneme.expected_phoneme or phoneme.phoneme
        for phoneme in documents.phoneme_analysis
        if word.start_ms <= phoneme.start_ms and phoneme.end_ms <= word.end_ms
    }
    if named in sounds:
        return Feature(language, MACRO_SKILL, PHONEME, named)
    return Feature(language, MACRO_SKILL, WORD, CLARITY)


def _sound_of_earlier_versions(issue: str) -> str | None:
    """Return the sound of an analysis that has it only in its issue, in English: "… /θ/ …"."""
    named = _NAMED_SOUND.search(issue)
    return named and named[1]


def _text(
    content: str, documents: FindingDocuments, words: Sequence[ProblematicWord]
) -> FindingText:
    worst, *others = words
    start, end = _offsets(worst, documents, content)
    sentences = [worst.issue, worst.suggestion or ""]
    if others:
        sentences.append(f"(+ {', '.join(word.word for word in others)})")  # in any language
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
    """Return the word's position in the text; None if the text has changed since the analysis."""
    units = content.encode("utf-16-le")
    for timing in documents.speech_timings:
        if (timing.word, timing.start_ms) == (word.word, word.start_ms):
            found = units[2 * timing.char_start : 2 * timing.char_end]
            if found == word.word.encode("utf-16-le"):
                return timing.char_start, timing.char_end
    return None, None
