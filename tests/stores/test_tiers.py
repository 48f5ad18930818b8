"""SQL and policy agree on a recording's owner, expiry and holds."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from policy.configuration import DEFAULT_POLICY
from policy.retention import (
    owner_tier,
    retention_expiry,
    retention_period_days,
    should_delete_audio,
    subscription_days,
)
from schema.facts.deletion import Recording
from schema.states import HoldScope, UserTier
from schema.tables.app import Conversation, Message, User
from schema.tables.base import UtcDateTime
from stores.deletion import retention
from stores.quality.rule_queries import arguments, select_messages
from stores.quality.rules.catalogue import RULES
from tests.support.quality import AS_OF, FACTS

SECOND, MICROSECOND = timedelta(seconds=1), timedelta(microseconds=1)
GRACE = timedelta(days=DEFAULT_POLICY.cleanup.grace_period_days)
FACTS_BY_POLICY = replace(
    FACTS,
    as_of=AS_OF,
    system_days=retention_period_days(UserTier.SYSTEM),
    guest_days=retention_period_days(UserTier.GUEST),
    subscription_days=subscription_days(),
    retention_tolerance=SECOND,
)
ADD_SUBSCRIPTION = sa.text("""
INSERT INTO subscriptions (id, user_id, stripe_subscription_id, stripe_price_id, current_tier,
    updated_at, created_at)
VALUES (:id, :user_id, CAST(:id AS text), 'price', CAST(:tier AS subscription_tier), :updated_at,
    :created_at)
""").bindparams(
    sa.bindparam("updated_at", type_=UtcDateTime), sa.bindparam("created_at", type_=UtcDateTime)
)
ADD_HOLD = sa.text("""
INSERT INTO audio_ops.legal_hold (scope, subject_id, reason, placed_by)
VALUES (:scope, :subject_id, 'a case', 'somebody')
""")
RELEASE_HOLD = sa.text("""
UPDATE audio_ops.legal_hold SET released_by = 'somebody'
WHERE scope = :scope AND subject_id = :subject_id
""")
RETENTION_PERIOD = sa.text(
    select_messages(["m.id AS message_id"], [RULES["retention_period"]], where="TRUE")
)


@dataclass(frozen=True)
class Subscription:
    """A current or past subscription of a learner."""

    tier: str | None
    updated_at: datetime | None
    created_at: datetime | None


@dataclass(frozen=True)
class Case:
    """One recording, its owner and its hold."""

    role: str
    subscriptions: list[Subscription] | None  # None: a guest's
    said_at: datetime
    expiry: tuple[str, timedelta] | None  # relative to the tier's expiry, or to the due time
    hold: tuple[HoldScope, bool] | None  # active or released

    @property
    def current_tier(self) -> str | None:
        """Tier of the newest subscription; a missing timestamp is newest, and ids break ties."""
        subscriptions = list(enumerate(self.subscriptions or []))
        for instant in ("created_at", "updated_at"):
            subscriptions.sort(key=lambda pair: newest_first(getattr(pair[1], instant)))
        return subscriptions[0][1].tier if subscriptions else None

    @property
    def tier(self) -> UserTier | None:
        """Tier of the audio, by policy."""
        has_user = self.subscriptions is not None
        return owner_tier(self.role, has_user=has_user, current_tier=self.current_tier)

    @property
    def expires_at(self) -> datetime | None:
        """Expiry of the row."""
        if self.expiry is None:
            return None
        beside, difference = self.expiry
        end = retention_expiry(self.tier or UserTier.PREMIUM, self.said_at)
        return (end if beside == "tier" else AS_OF - GRACE) + difference

    @property
    def breaks_retention_period(self) -> bool:
        """Whether the stored expiry is earlier than the tier's, by policy."""
        if self.expires_at is None or self.tier is None:
            return False
        return self.expires_at + SECOND < retention_expiry(self.tier, self.said_at)


def newest_first(instant):
    return (instant is not None, -instant.timestamp() if instant else 0)


NEAR = st.sampled_from([-2 * SECOND, -SECOND - MICROSECOND, -SECOND, -MICROSECOND, 0 * SECOND])
INSTANTS = st.sampled_from([None, AS_OF - timedelta(days=2), AS_OF - timedelta(days=1)])
CASES = st.builds(
    Case,
    role=st.sampled_from(["user", "assistant", "system", "narrator"]),
    subscriptions=st.none()
    | st.lists(
        st.builds(
            Subscription,
            # `guest` and `system` are tiers here, but not subscription tiers.
            tier=st.sampled_from([None, "free", "plus", "premium", "staff", "guest", "system"]),
            updated_at=INSTANTS,
            created_at=INSTANTS,
        ),
        max_size=3,
    ),
    said_at=st.timedeltas(timedelta(0), timedelta(1000)).map(lambda ago: AS_OF - ago),
    expiry=st.none()
    | st.tuples(
        st.sampled_from(["tier", "due"]),
        NEAR | NEAR.map(lambda near: -near) | st.timedeltas(-timedelta(400), timedelta(400)),
    ),
    hold=st.none() | st.tuples(st.sampled_from(HoldScope), st.booleans()),
)


def identity(kind, number, place=0):
    return UUID(int=kind << 64 | number << 32 | place)


def add(connection, cases):
    """Insert all cases at once, each with its own learner and conversation."""
    numbered = list(enumerate(cases))
    users = [
        {"id": identity(1, n), "email": f"{n}@example.org"}
        for n, case in numbered
        if case.subscriptions is not None
    ]
    learners = {user["id"] for user in users}
    conversations = [
        {
            "id": f"conversation-{n}",
            "user_id": identity(1, n) if identity(1, n) in learners else None,
            "target_language_id": "en",
        }
        for n, _ in numbered
    ]
    messages = [
        {
            "id": f"message-{n:04}",
            "conversation_id": f"conversation-{n}",
            "role": case.role,
            "content": "Hello",
            "timestamp": case.said_at,
            "audio_storage_key": f"audio/{n}.wav",
            "audio_retention_expires_at": case.expires_at,
        }
        for n, case in numbered
    ]
    subscriptions = [
        {
            "id": identity(2, n, place),
            "user_id": identity(1, n),
            "tier": one.tier,
            "updated_at": one.updated_at,
            "created_at": one.created_at,
        }
        for n, case in numbered
        for place, one in enumerate(case.subscriptions or [])
    ]
    subjects = {
        HoldScope.MESSAGE: lambda n: f"message-{n:04}",
        HoldScope.CONVERSATION: lambda n: f"conversation-{n}",
        HoldScope.USER: lambda n: str(identity(1, n)),
    }
    held = [(n, *case.hold) for n, case in numbered if case.hold is not None]
    holds = [
        ({"scope": scope.value, "subject_id": subjects[scope](n)}, in_force)
        for n, scope, in_force in held
    ]
    for statement, rows in (
        (sa.insert(User), users),
        (sa.insert(Conversation), conversations),
        (sa.insert(Message), messages),
        (ADD_SUBSCRIPTION, subscriptions),
        (ADD_HOLD, [hold for hold, _ in holds]),
        (RELEASE_HOLD, [hold for hold, in_force in holds if not in_force]),
    ):
        if rows:
            connection.execute(statement, rows)


def is_held(case):
    if case.hold is None or not case.hold[1]:
        return False
    return case.hold[0] is not HoldScope.USER or case.subscriptions is not None


def test_sql_and_policy_agree_on_tier_expiry_and_holds(engine, add_conversation):
    add_conversation()  # and its language
    for tier in ("staff", "guest", "system"):
        with engine.begin() as connection:
            connection.exec_driver_sql(f"ALTER TYPE subscription_tier ADD VALUE '{tier}'")

    # No shrinking, which would insert rows for minutes: a difference names its case.
    @settings(max_examples=25, deadline=None, phases=[Phase.reuse, Phase.generate])
    @given(cases=st.lists(CASES, min_size=5, max_size=25))
    def agree(cases):
        with engine.connect() as connection:  # rolled back
            add(connection, cases)
            found = retention.find_expired(
                connection, before=AS_OF - GRACE, after=retention.BEGINNING, limit=1000
            )
            observed = dict(
                tuple(row)
                for row in connection.execute(RETENTION_PERIOD, arguments(FACTS_BY_POLICY))
            )
        assert {recording.message_id: facts(recording) for recording in found} == {
            f"message-{n:04}": (case.role, case.current_tier, case.tier, is_held(case))
            for n, case in enumerate(cases)
            if should_delete_audio(case.expires_at, as_of=AS_OF)
        }
        for n, case in enumerate(cases):
            broken = observed[f"message-{n:04}"]
            assert (broken is not None) is case.breaks_retention_period, case
            if broken is not None:
                promised = retention_expiry(case.tier, case.said_at)
                assert broken.endswith(f"by tier {promised:%Y-%m-%dT%H:%M:%SZ}")

    agree()


def facts(recording: Recording):
    tier = owner_tier(
        recording.role, has_user=recording.has_user, current_tier=recording.current_tier
    )
    return recording.role, recording.current_tier, tier, recording.held
