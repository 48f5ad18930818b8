import threading
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from schema.errors.deletion import HoldSubjectUnknown
from schema.states import HoldScope
from schema.tables.app import Conversation, Message
from schema.tables.deletion import LegalHold, OrphanObject
from stores.deletion import holds
from tests.support.sessions import wait_for_a_blocked_session

MESSAGE, CONVERSATION, USER = HoldScope.MESSAGE, HoldScope.CONVERSATION, HoldScope.USER
HELD = sa.text(
    f"SELECT m.id FROM messages AS m JOIN conversations AS c ON c.id = m.conversation_id"
    f" WHERE {holds.HELD} ORDER BY m.timestamp"
)
HELD_ORPHANS = sa.text(
    f"SELECT storage_key FROM audio_ops.orphan_object AS o WHERE {holds.HELD_ORPHAN} ORDER BY 1"
)


@pytest.fixture
def place(engine):
    """Place a hold and commit; return it."""

    def _place(scope, subject_id, reason="case 7", placed_by="Mori"):
        with engine.begin() as connection:
            return holds.place(connection, scope, str(subject_id), reason, placed_by)

    return _place


@pytest.fixture
def found(engine):
    """Run a query on a new connection; return its first column."""

    def _found(query):
        with engine.connect() as connection:
            return connection.execute(query).scalars().all()

    return _found


@pytest.fixture
def active(engine):
    """Return the active holds."""

    def _active():
        with engine.connect() as connection:
            return holds.active(connection)

    return _active


@pytest.fixture
def add_orphan(engine):
    """Queue an orphan; return its key."""

    def _add_orphan(storage_key, **columns):
        row = {"storage_key": storage_key, "source": "message_deleted", **columns}
        with engine.begin() as connection:
            connection.execute(sa.insert(OrphanObject), row)
        return storage_key

    return _add_orphan


@pytest.fixture
def learner(add_user, add_conversation, add_message):
    """A learner with two conversations, two messages in the first and one in the second."""
    user_id = add_user()
    first, second = (add_conversation(user_id=user_id) for _ in range(2))
    messages = [add_message(conversation_id=id_) for id_ in (first, first, second)]
    return user_id, (first, second), messages


# Scope of a hold


def test_a_hold_covers_its_message_its_conversation_or_all_of_its_learner(
    learner, add_message, place, found
):
    user_id, (first, _), messages = learner
    add_message()  # another learner's
    assert found(HELD) == []
    place(MESSAGE, messages[1])
    assert found(HELD) == messages[1:2]
    place(CONVERSATION, first)
    assert found(HELD) == messages[:2]
    place(USER, user_id)
    assert found(HELD) == messages


def test_an_id_matches_only_its_own_scope(engine, learner, found):
    user_id, (first, _), messages = learner
    wrong = [(USER, first), (USER, messages[0]), (MESSAGE, first), (CONVERSATION, user_id)]
    with engine.begin() as connection:
        rows = [
            {"scope": scope, "subject_id": str(id_), "reason": "r", "placed_by": "p"}
            for scope, id_ in wrong
        ]
        connection.execute(sa.insert(LegalHold), rows)
    assert found(HELD) == []


def test_a_released_hold_covers_nothing_but_others_on_the_same_still_do(
    engine, learner, place, found, active
):
    _, _, messages = learner
    first = place(MESSAGE, messages[0], "case 7")
    second = place(MESSAGE, messages[0], "case 8")
    with engine.begin() as connection:
        assert holds.release(connection, first.hold_id, "Sato")
    assert found(HELD) == messages[:1]
    assert [hold.hold_id for hold in active()] == [second.hold_id]
    with engine.begin() as connection:
        assert holds.release(connection, second.hold_id, "Sato")
    assert found(HELD) == []


@pytest.mark.parametrize("scope", HoldScope)
def test_an_orphan_is_held_as_its_message_was(scope, learner, place, found, add_orphan):
    user_id, (conversation_id, other_id), (message_id, _, other_message_id) = learner
    mine = add_orphan(
        "mine", message_id=message_id, conversation_id=conversation_id, user_id=user_id
    )
    add_orphan("x", message_id=other_message_id, conversation_id=other_id, user_id=uuid4())
    assert found(HELD_ORPHANS) == []
    place(scope, {MESSAGE: message_id, CONVERSATION: conversation_id, USER: user_id}[scope])
    assert found(HELD_ORPHANS) == [mine]


@pytest.mark.parametrize(
    ("unknown", "scope"),
    [("message_id", MESSAGE), ("conversation_id", CONVERSATION), ("user_id", USER)],
)
def test_every_hold_of_the_kind_covers_an_orphan_of_an_unknown_owner(
    unknown, scope, learner, place, found, add_orphan
):
    user_id, (conversation_id, _), (message_id, *_) = learner
    known = {"message_id": "x", "conversation_id": "y", "user_id": uuid4()}
    add_orphan("known", **known)
    add_orphan("unknown", **{**known, unknown: None})
    subjects = {MESSAGE: message_id, CONVERSATION: conversation_id, USER: user_id}
    for other in set(HoldScope) - {scope}:
        place(other, subjects[other])
    assert found(HELD_ORPHANS) == []
    place(scope, subjects[scope])
    assert found(HELD_ORPHANS) == ["unknown"]


def test_a_guests_orphan_belongs_to_no_learner_while_its_conversation_exists(
    engine, add_user, add_conversation, place, found, add_orphan
):
    user_id, conversation_id = add_user(), add_conversation(user_id=None)
    add_orphan("guest's", message_id="m", conversation_id=conversation_id)
    place(USER, user_id)
    assert found(HELD_ORPHANS) == []
    with engine.begin() as app:  # the guest signs up
        app.execute(sa.update(Conversation).values(user_id=user_id))
    assert found(HELD_ORPHANS) == ["guest's"]
    with engine.begin() as app:
        app.execute(sa.update(Conversation).values(user_id=None))
    assert found(HELD_ORPHANS) == []
    with engine.begin() as app:
        app.execute(sa.delete(Conversation))
    assert found(HELD_ORPHANS) == ["guest's"]


# Placing and releasing


def test_placing_counts_what_it_protects_and_what_it_comes_too_late_for(
    engine, learner, place, add_message, add_orphan, noon
):
    user_id, (first, _), messages = learner
    add_message(conversation_id=first, audio_storage_key=None)  # text only
    with engine.begin() as app:
        deleted = sa.update(Message).where(Message.id == messages[0]).values(audio_deleted_at=noon)
        app.execute(deleted)
    add_orphan("o", message_id="gone", conversation_id=first, user_id=user_id)
    placed = {
        scope: place(scope, id_)
        for scope, id_ in ((MESSAGE, messages[0]), (CONVERSATION, first), (USER, user_id))
    }
    counts = {scope: (hold.protected, hold.already_deleted) for scope, hold in placed.items()}
    assert counts == {MESSAGE: (0, 1), CONVERSATION: (2, 1), USER: (3, 1)}


@pytest.mark.parametrize(
    ("scope", "subject_id"),
    [
        (MESSAGE, "messsage-0"),
        (CONVERSATION, "message-0"),
        (USER, "00000000-0000-0000-0000-000000000001"),
        (USER, "Hana"),
        (USER, ""),
    ],
)
def test_a_mistyped_id_is_reported_and_no_hold_is_placed(
    scope, subject_id, add_message, place, active
):
    add_message()
    with pytest.raises(HoldSubjectUnknown, match="No hold was placed"):
        place(scope, subject_id)
    assert active() == []


@pytest.mark.parametrize("scope", HoldScope)
def test_a_hold_can_be_placed_on_a_subject_known_only_from_an_orphan(
    scope, place, found, add_orphan
):
    user_id = uuid4()
    key = add_orphan("key", message_id="gone", conversation_id="gone too", user_id=user_id)
    subjects = {MESSAGE: "gone", CONVERSATION: "gone too", USER: user_id}
    assert place(scope, subjects[scope]).protected == 1
    assert found(HELD_ORPHANS) == [key]


def test_a_learners_id_may_be_written_in_any_way(
    add_user, add_conversation, add_message, place, found
):
    user_id = UUID("abcdef01-2345-6789-abcd-ef0123456789")
    message_id = add_message(conversation_id=add_conversation(user_id=add_user(id=user_id)))
    place(USER, "{ABCDEF01-2345-6789-ABCD-EF0123456789}")
    assert found(HELD) == [message_id]


def test_placing_the_same_hold_again_changes_nothing(add_message, place, active):
    message_id = add_message()
    assert place(MESSAGE, message_id) == place(MESSAGE, message_id)
    assert len(active()) == 1
    place(MESSAGE, message_id, placed_by="Sato")
    assert len(active()) == 2


def test_an_active_hold_shows_who_placed_it_and_why(engine, add_message, place, active):
    message_id = add_message()
    placed = place(MESSAGE, message_id, "court order 12/3", "Mori")
    (hold,) = active()
    assert (hold.hold_id, hold.scope, hold.subject_id) == (placed.hold_id, MESSAGE, message_id)
    assert (hold.reason, hold.placed_by) == ("court order 12/3", "Mori")
    with engine.connect() as connection:
        assert hold.placed_at <= connection.scalar(sa.func.now())


def test_only_the_person_who_released_a_hold_can_repeat_it(engine, add_message, place):
    hold_id = place(MESSAGE, add_message()).hold_id
    with engine.begin() as connection:
        assert holds.release(connection, hold_id + 1, "Sato") is None
        assert holds.release(connection, hold_id, "Sato")
    with engine.begin() as connection:
        first = connection.execute(sa.select(LegalHold.released_at, LegalHold.released_by)).one()
        assert holds.release(connection, hold_id, "Sato")  # a commit's answer can be lost
        assert holds.release(connection, hold_id, "Mori") is None
        again = connection.execute(sa.select(LegalHold.released_at, LegalHold.released_by)).one()
    assert first == again


# Against deletions in progress


def test_a_hold_waits_for_the_page_in_progress_and_then_sees_the_truth(
    engine, add_message, place, noon
):
    message_id = add_message()
    placed = []
    placing = threading.Thread(target=lambda: placed.append(place(MESSAGE, message_id)))
    with engine.begin() as sweep:
        holds.keep_out(sweep)
        assert sweep.execute(HELD).all() == []
        placing.start()
        wait_for_a_blocked_session(engine)
        sweep.execute(sa.update(Message).values(audio_deleted_at=noon))
    placing.join()
    assert (placed[0].protected, placed[0].already_deleted) == (0, 1)


def test_a_deletion_waits_for_the_hold_being_placed_and_then_sees_it(engine, add_message):
    message_id = add_message()
    held = []

    def sweep():
        with engine.begin() as connection:
            holds.keep_out(connection)
            held.extend(connection.execute(HELD).scalars())

    sweeping = threading.Thread(target=sweep)
    with engine.begin() as connection:
        holds.place(connection, MESSAGE, message_id, "case 7", "Mori")
        sweeping.start()
        wait_for_a_blocked_session(engine)
    sweeping.join()
    assert held == [message_id]


def test_deletions_do_not_wait_for_each_other(engine):
    with engine.begin() as one, engine.begin() as other:
        other.execute(sa.text("SET LOCAL lock_timeout = '1ms'"))
        holds.keep_out(one)
        holds.keep_out(other)


# On a learner


def test_a_learners_holds_are_those_on_them_their_conversations_and_messages(
    engine, learner, add_message, place
):
    user_id, (_, conversation_id), (message_id, *_) = learner
    stranger = add_message()

    def count():
        with engine.connect() as connection:
            return holds.on_learner(connection, user_id)

    place(MESSAGE, stranger)
    assert count() == 0
    hold_id = place(MESSAGE, message_id).hold_id
    assert count() == 1
    place(CONVERSATION, conversation_id)
    place(USER, user_id)
    assert count() == 3
    with engine.begin() as connection:
        holds.release(connection, hold_id, "Sato")
    assert count() == 2


@pytest.mark.parametrize("scope", [MESSAGE, CONVERSATION])
@pytest.mark.parametrize("known", [True, False])
def test_a_hold_on_a_learners_orphan_is_one_on_the_learner(
    scope, known, engine, add_user, add_orphan, place
):
    user_id, other_id = add_user(), add_user()
    add_orphan(
        f"audio/{user_id}/c/m.wav" if not known else "audio/key.wav",
        message_id="m",
        conversation_id="c",
        user_id=user_id if known else None,
    )
    place(scope, {MESSAGE: "m", CONVERSATION: "c"}[scope])
    with engine.connect() as connection:
        assert holds.on_learner(connection, user_id) == 1
        assert holds.on_learner(connection, other_id) == 0
