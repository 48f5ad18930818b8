"""Texts that people enter, and those that say nothing or that Postgres cannot store."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.documents import storable
from schema.errors.base import ParametersRefused
from schema.written_text import required, written


@given(st.text() | st.text("a \0\ud800\udfff\t\u3000", max_size=4))
def test_texts_that_can_be_stored_and_say_something_are_taken_without_white_space_around(text):
    if storable(text) == text and text.strip():
        assert written(text) == required(text, "The reason") == text.strip()
        return
    with pytest.raises(ValueError, match=r"^the text (contains|is blank)"):
        written(text)
    with pytest.raises(
        ParametersRefused, match=r"^Nothing was done\. The reason (contains|is blank)"
    ):
        required(text, "The reason")
