"""Rules of a sample of recordings, looked up in the bucket."""

from schema.facts.quality import Rule
from schema.states import CheckedTable, Severity

MESSAGES = CheckedTable.MESSAGES

OBJECT_IN_BUCKET = Rule(
    "object_in_bucket", MESSAGES, Severity.FAIL, "the recording is in the bucket (sample)"
)
OBJECT_SIZE = Rule(
    "object_size", MESSAGES, Severity.WARN, "it has the size that its row says (sample)"
)

RULES = (OBJECT_IN_BUCKET, OBJECT_SIZE)
