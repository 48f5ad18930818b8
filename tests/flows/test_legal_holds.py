"""Placing and releasing a legal hold from the Prefect UI's form."""

import logging

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.client.schemas.sorting import ArtifactSort

from flows.place_legal_hold import place_legal_hold
from flows.release_legal_hold import release_legal_hold
from schema.errors.deletion import HoldNotActive, HoldSubjectUnknown
from schema.states import HoldScope
from schema.visible import visible

pytestmark = [pytest.mark.flow, pytest.mark.usefixtures("prefect_server", "stage")]
REASON = "case | 7 [x](http://example.org) <b>\nsecond line"


def artifact():
    """Return the newest version of the holds' artifact."""
    with get_client(sync_client=True) as client:
        return client.read_artifacts(
            artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=["legal-holds"])),
            sort=ArtifactSort.UPDATED_DESC,
            limit=1,
        )[0].data


def test_a_hold_is_placed_shown_with_its_reason_and_released(add_message, caplog):
    message_id = add_message()
    with caplog.at_level(logging.DEBUG):
        placed = place_legal_hold(HoldScope.MESSAGE, message_id, REASON, "Mori")
        assert (placed.protected, placed.already_deleted) == (1, 0)
        page = artifact()
        release_legal_hold(placed.hold_id, "Sato")
    assert f"| {placed.hold_id} | message {message_id} |" in page
    assert "case &#124; 7 &#91;x&#93;&#40;http://example.org&#41; &#60;b&#62; second line" in page
    assert "No legal hold is in force" in artifact()
    assert "Head of the history of legal holds: `2:" in artifact()
    assert "second line" not in caplog.text


def test_a_name_that_is_markdown_or_controls_a_terminal_is_shown_as_it_is(add_message, caplog):
    name = "![x](http://evil.example/a.png)\x1b]0;x\x07\u202e<img src=x>\nPlan 7 approved by Mori"
    placed = place_legal_hold(HoldScope.MESSAGE, add_message(), name, name)
    page = artifact()
    with caplog.at_level(logging.DEBUG):
        release_legal_hold(placed.hold_id, name)
        release_legal_hold(placed.hold_id, name)  # says who did it
    assert "had already released" in artifact()
    for shown in (page, artifact()):
        assert visible(shown, keep="\n") == shown
        assert "![" not in shown
        assert "<img" not in shown
    assert "\x1b" not in caplog.text
    assert "\nPlan 7 approved" not in caplog.text


def test_the_form_takes_the_scope_as_a_word(add_message):
    place_legal_hold("message", add_message(), "case 7", "Mori")
    schema = place_legal_hold.parameters.model_dump()
    assert schema["definitions"]["HoldScope"]["enum"] == ["message", "conversation", "user"]
    assert all(field.get("description") for field in schema["properties"].values())


def test_a_mistake_fails_the_run():
    with pytest.raises(HoldSubjectUnknown):
        place_legal_hold(HoldScope.USER, "Hana", "case 7", "Mori")
    with pytest.raises(HoldNotActive):
        release_legal_hold(7, "Sato")
