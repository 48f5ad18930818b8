"""Findings about pronunciation for the app's list."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from schema.documents import PhonemeAnalysis, ProblematicWord, SpeechTiming, Text
from schema.facts.report import Report


@dataclass(frozen=True, slots=True)
class Feature:
    """What a finding is about, as a row of `linguistic_features` says it."""

    language: str
    macro_skill: str
    sub_skill: str
    micro_rule: str

    @property
    def id(self) -> str:
        """The id that the app itself would make for it."""
        return f"{self.language}:{self.macro_skill}:{self.sub_skill}:{self.micro_rule}"


class FindingDocuments(BaseModel):
    """Those parts of an analysis from which findings are made."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    analysis_version: Text
    speech_timings: tuple[SpeechTiming, ...]
    phoneme_analysis: tuple[PhonemeAnalysis, ...]
    problematic_words: tuple[ProblematicWord, ...]
    practice_words: tuple[Text, ...]


@dataclass(frozen=True, slots=True)
class AnalysedMessage:
    """A message, and what its analysis says."""

    message_id: str
    language: str  # of its conversation
    content: str
    documents: FindingDocuments | None  # None: no findings


@dataclass(frozen=True, slots=True)
class FindingText:
    """What a finding says; another analysis may change all of it."""

    severity: str  # info, hint or warning
    offset_start: int | None  # in the message's text, in UTF-16 units; None: not there any more
    offset_end: int | None
    original_text: str
    explanation: str
    metadata: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding: of a message there is at most one for each feature."""

    id: UUID
    message_id: str
    feature: Feature
    says: FindingText


@dataclass(frozen=True, slots=True)
class StoredFinding:
    """One of our findings as the app's table holds it."""

    id: UUID
    says: FindingText
    acted_on: bool  # the learner accepted or ignored it


@dataclass(frozen=True, slots=True)
class ExportReport(Report):
    """What became of the findings of the messages that were looked at."""

    messages: int = 0  # with an analysis, or with findings of ours
    added: int = 0  # in a dry run, here and below: would have been
    changed: int = 0
    unchanged: int = 0
    removed: int = 0  # no analysis says it any more
    kept: int = 0  # nor that, but the learner has acted on it
