"""Texts of the forms: blank ones and those that Postgres cannot store are refused at once."""

from uuid import uuid4

import pytest
from prefect.exceptions import ParameterTypeError
from prefect.utilities.schema_tools import validate
from prefect.utilities.schema_tools.validation import ValidationError as AnswerRefused
from pydantic import ValidationError

from flows.backfill_analysis import backfill_analysis
from flows.erase_learner import erase_learner
from flows.place_legal_hold import place_legal_hold
from flows.refresh_signed_urls import refresh_signed_urls
from flows.release_legal_hold import release_legal_hold
from flows.sweep_retention import SweepApproval
from flows.undo_backfill import undo_backfill
from tasks.backfill.approval import BackfillApproval

HOLD = {"scope": "message", "subject_id": "m", "reason": "case 7", "placed_by": "Mori"}
FORMS = [
    (backfill_analysis, {"reason": "a better engine"}, "reason"),
    (undo_backfill, {"backfill_id": 1, "reason": "worse after all"}, "reason"),
    (erase_learner, {"user_id": uuid4(), "reason": "request 7"}, "reason"),
    (place_legal_hold, HOLD, "subject_id"),
    (place_legal_hold, HOLD, "reason"),
    (place_legal_hold, HOLD, "placed_by"),
    (release_legal_hold, {"hold_id": 1, "released_by": "Mori"}, "released_by"),
    (refresh_signed_urls, {}, "message_id"),
]
NAMES = [f"{flow.name} {name}" for flow, _, name in FORMS]


@pytest.mark.parametrize(("flow", "parameters", "name"), FORMS, ids=NAMES)
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("    ", "the text is blank"),
        ("\u3000\u00a0\n\t", "the text is blank"),
        ("case\x007", "NUL characters"),
        ("case \ud800", "lone surrogates|surrogates not allowed|unicode"),
    ],
    ids=ascii,
)
def test_a_text_that_says_nothing_or_cannot_be_stored_is_refused(
    flow, parameters, name, text, problem
):
    with pytest.raises(ParameterTypeError, match=f"{name}: .*({problem})"):
        flow.validate_parameters(parameters | {name: text})


@pytest.mark.parametrize(("flow", "parameters", "name"), FORMS, ids=NAMES)
def test_white_space_around_a_text_is_left_out(flow, parameters, name):
    assert flow.validate_parameters(parameters | {name: " Mori 日本 "})[name] == "Mori 日本"


APPROVALS = [(SweepApproval, {"plan": "7"}), (BackfillApproval, {"backfill_id": 7})]


@pytest.mark.parametrize(("form", "answer"), APPROVALS)
@pytest.mark.parametrize("name", ["", " ", "\u3000\n", "Mori\0", "Mori \ud800"], ids=ascii)
def test_nobody_approves_under_a_name_that_says_nothing_or_cannot_be_stored(form, answer, name):
    with pytest.raises(ValidationError, match="approved_by"):
        form(**answer, approved_by=name)


@pytest.mark.parametrize(("form", "answer"), APPROVALS)
def test_the_server_refuses_a_blank_name_so_that_the_form_can_be_filled_in_again(form, answer):
    schema = form.model_json_schema()
    with pytest.raises(AnswerRefused, match=r"approved_by|does not match"):
        validate(answer | {"approved_by": " "}, schema, raise_on_error=True)
    validate(answer | {"approved_by": "Mori 日本"}, schema, raise_on_error=True)
    assert form(**answer, approved_by=" Mori ").approved_by == "Mori"
