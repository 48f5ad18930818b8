"""What feedback may rest on: written words as they were heard."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HeardPhone:
    """One phone of a word.

    Attributes:
        arpabet: The phone that belongs there.
        score: How well it was said, 0-100.
        heard: The phone heard instead, "" for none at all; None unless that is sure.
    """

    arpabet: str
    score: float
    heard: str | None = None

    @property
    def is_replaced(self) -> bool:
        """Whether it is sure that something else, or nothing, was heard."""
        return self.heard is not None and self.heard != self.arpabet


@dataclass(frozen=True, slots=True)
class HeardWord:
    """One written word as it was heard.

    Attributes:
        text: As written.
        start_ms: From the beginning of the recording.
        end_ms: From the beginning of the recording.
        confidence: Probability 0-1 that experts find it said well.
        phones: In order, at least one.
        is_judged: False for hesitations and for words whose pronunciation is a guess.
    """

    text: str
    start_ms: int
    end_ms: int
    confidence: float
    phones: tuple[HeardPhone, ...]
    is_judged: bool
