"""The examples run as they are printed, on real Postgres and a real bucket."""

import json
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

PAGE = Path(__file__).parents[2] / "docs/examples.md"


@pytest.mark.usefixtures("stage")
def test_the_examples_work_one_after_the_other(add_user, add_conversation):
    user_id = add_user()
    names = {
        "user_id": user_id,
        "conversation_id": add_conversation(user_id=user_id),
        "message_id": "m1",
        "recording": b"\0" * 240_000,
    }
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 4
    for block in blocks:
        exec(compile(block, PAGE.name, "exec"), names)
    assert names["stored"].audio_processing_state == "uploaded"
    assert json.loads(names["document"])["speechTimings"] == [
        {"word": "Hello", "startMs": 0, "endMs": 500, "charStart": 0, "charEnd": 5}
    ]
    assert names["summary"].overall_accuracy_score == 85
    assert urlsplit(names["url"]).path.endswith("m1_1700000000000.wav")
