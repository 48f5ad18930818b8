import re
from pathlib import Path

import orjson

from stores.deletion.ledger_chain import FIRST, FORMAT, entry_hash

RECORD = (
    Path(__file__).parents[3] / "docs/adr/0056-finished-deletions-form-a-chain.md"
).read_text()


def test_the_documented_example_of_verification_is_right():
    facts = orjson.loads(re.search(r"```json\n(.+)\n```", RECORD)[1])
    assert facts.pop("format") == FORMAT
    assert entry_hash(FIRST, facts).hex() == re.search(r"the hash\s+`([0-9a-f]{64})`", RECORD)[1]
