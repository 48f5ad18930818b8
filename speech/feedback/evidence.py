"""The evidence that feedback rests on: written words as they were heard."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HeardPhone:
    """One phone of a word.

    Attributes:
        arpabet: The expected phone.
        score: How well it was said, 0-100.
        heard_instead: The phone clearly heard instead, "" if clearly none; None otherwise.
    """

    arpabet: str
    score: float
    heard_instead: str | None = None

    @property
    def is_replaced(self) -> bool:
        """Whether another phone, or none, was clearly heard."""
        return self.heard_instead is not None and self.heard_instead != self.arpabet


@dataclass(frozen=True, slots=True)
class HeardWord:
    """One written word as it was heard.

    Attributes:
        text: As written.
        start_ms: From the beginning of the recording.
        end_ms: From the beginning of the recording.
        confidence: Probability 0-1 that experts would rate it as well said.
        phones: In order, at least one.
        usual: Phones of the pronunciation that dictionaries give first.
        is_judged: False for hesitations and words without one known pronunciation: those in no
            dictionary, and numbers, times or money, which can be said in several ways.
        is_said: False if it was surely left out.
        follows_insertion: Whether something that is not in the text was surely said right before
            it.
    """

    text: str
    start_ms: int
    end_ms: int
    confidence: float
    phones: tuple[HeardPhone, ...]
    usual: tuple[str, ...]
    is_judged: bool
    is_said: bool
    follows_insertion: bool = False

    @property
    def is_evidence(self) -> bool:
        """Whether its sounds count as evidence of the learner's pronunciation."""
        return self.is_judged and self.is_said
