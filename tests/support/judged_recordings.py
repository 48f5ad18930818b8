"""Recordings for a sweep to judge: one that is just due, and Hypothesis strategies for any."""

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from policy.sweep import SweepRules
from schema.facts.deletion import Recording
from schema.states import ProcessingState

TICK = timedelta(microseconds=1)
DAY = timedelta(days=1)
AS_OF = datetime(2026, 3, 29, 3, tzinfo=UTC)
RULES = SweepRules(AS_OF, 7 * DAY, soft_delete=True)
FINE = "audio/u/c/m.wav"
NOT_OURS = ("../x", "exports/report.wav", "audio/u/../x.wav", "audio/u/\n.wav", "")

# Close to the decision: most times drawn from all of time are long due or far from it.
ages = st.one_of(
    st.timedeltas(timedelta(0), 500 * DAY),
    st.builds(
        lambda days, ticks: days * DAY + ticks * TICK,
        st.sampled_from([0, 1, 7, 8, 14, 30, 37, 90, 97, 365, 372]),
        st.integers(-1, 1),
    ),
)
instants = ages.map(lambda age: AS_OF - age)
current_tiers = st.sampled_from(["free", "plus", "premium", None, "", "enterprise", "guest"])
recordings = st.builds(
    Recording,
    message_id=st.just("m"),
    storage_key=st.sampled_from([FINE, *NOT_OURS]),
    role=st.sampled_from(["user", "assistant", "system"]),
    created_at=instants,
    has_user=st.booleans(),
    current_tier=current_tiers,
    retention_expires_at=st.none() | instants,
    size_bytes=st.none(),
    processing_state=st.none() | st.sampled_from([*ProcessingState]),
    held=st.booleans(),
)
graces = st.integers(0, 30)


def recorded(**columns):
    """A free learner's recording that is just due, changed by `columns`."""
    facts = {
        "message_id": "m",
        "storage_key": FINE,
        "role": "user",
        "created_at": AS_OF - 37 * DAY,
        "has_user": True,
        "current_tier": None,
        "retention_expires_at": AS_OF - 7 * DAY,
        "size_bytes": 1,
        "processing_state": "analyzed",
        "held": False,
    }
    return Recording(**{**facts, **columns})
