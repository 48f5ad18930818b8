"""Rules about a sample of recordings that are looked up in the bucket."""

from schema.facts.quality import Rule
from schema.states import CheckedTable, Severity

MESSAGES = CheckedTable.MESSAGES

OBJECT_IN_BUCKET = Rule(
    "object_in_bucket", MESSAGES, Severity.FAIL, "the recording is in the bucket (sample)"
)
OBJECT_SIZE = Rule(
    "object_size", MESSAGES, Severity.WARN, "the object has the size stated in its row (sample)"
)

RULES = (OBJECT_IN_BUCKET, OBJECT_SIZE)
