"""What a run did, in numbers that can be added up."""

from collections import Counter
from dataclasses import dataclass, field

from schema.states import FailureCause


@dataclass(frozen=True, slots=True)
class AnalysisReport:
    """What became of the messages claimed by a chunk, or by a whole run.

    `claimed = analyzed + failed + retried + quarantined + lost`.
    """

    claimed: int = 0
    analyzed: int = 0
    failed: int = 0  # for good; the message says why
    retried: int = 0  # given back, to be tried again later
    quarantined: int = 0  # killed their worker too often
    lost: int = 0  # deleted, or taken over by another worker, while being analysed
    causes: Counter[FailureCause] = field(default_factory=Counter)
    audio_seconds: float = 0.0
    cpu_seconds: float = 0.0

    @property
    def not_analyzed(self) -> int:
        """Messages that were tried and have no analysis now."""
        return self.failed + self.retried + self.quarantined

    def __add__(self, other: "AnalysisReport") -> "AnalysisReport":
        """Add up two reports."""
        return AnalysisReport(
            claimed=self.claimed + other.claimed,
            analyzed=self.analyzed + other.analyzed,
            failed=self.failed + other.failed,
            retried=self.retried + other.retried,
            quarantined=self.quarantined + other.quarantined,
            lost=self.lost + other.lost,
            causes=self.causes + other.causes,
            audio_seconds=self.audio_seconds + other.audio_seconds,
            cpu_seconds=self.cpu_seconds + other.cpu_seconds,
        )
