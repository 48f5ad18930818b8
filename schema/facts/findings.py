"""Facts about pronunciation findings for the app's list."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from schema.documents import PhonemeAnalysis, ProblematicWord, SpeechTiming, Text
from schema.facts.report import Report


@dataclass(frozen=True, slots=True)
class Feature:
    """What a finding is about: a row of `linguistic_features`."""

    language: str
    macro_skill: str
    sub_skill: str
    micro_rule: str

    @property
    def id(self) -> str:
        """The id that the app itself would give it."""
        return f"{self.language}:{self.macro_skill}:{self.sub_skill}:{self.micro_rule}"


class FindingDocuments(BaseModel):
    """The parts of an analysis from which findings are derived."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    analysis_version: Text
    speech_timings: tuple[SpeechTiming, ...]
    phoneme_analysis: tuple[PhonemeAnalysis, ...]
    problematic_words: tuple[ProblematicWord, ...]
    practice_words: tuple[Text, ...]


@dataclass(frozen=True, slots=True)
class AnalysedMessage:
    """A message with the documents of its analysis."""

    message_id: str
    language: str  # of its conversation
    content: str
    documents: FindingDocuments | None  # None: no findings


@dataclass(frozen=True, slots=True)
class FindingText:
    """The content of a finding, which a later analysis may change."""

    severity: str  # info, hint or warning
    offset_start: int | None  # in the message's text, in UTF-16 code units; None: text has changed
    offset_end: int | None
    original_text: str
    explanation: str
    metadata: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Finding:
    """A finding; a message has at most one for each feature."""

    id: UUID
    message_id: str
    feature: Feature
    says: FindingText


@dataclass(frozen=True, slots=True)
class StoredFinding:
    """One of our findings as stored in the app's table."""

    id: UUID
    says: FindingText
    acted_on: bool  # the learner accepted or ignored it


@dataclass(frozen=True, slots=True)
class ExportReport(Report):
    """Counts of an export; in a dry run, of what would be done."""

    messages: int = 0  # examined: with an analysis, or with findings of ours
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    removed: int = 0  # no longer supported by an analysis
    kept: int = 0  # no longer supported, but the learner has acted on it
