from datetime import UTC, datetime, timedelta
from uuid import UUID

from reports.erasure import receipt_page
from schema.facts.deletion import ErasureReport, LedgerHead

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


def page(left):
    return receipt_page(
        UUID(int=7),
        ErasureReport(messages=1200, objects=1199, versions=1300, size_bytes=2_000_000, shared=1),
        left,
        LedgerHead(41, "ab" * 32),
        started_at=NOON,
        ended_at=NOON + timedelta(minutes=3),
    )


def test_a_receipt_counts_dates_and_names_the_ledgers_head():
    text = page(ErasureReport(shared=1))
    assert "Receipt 00000000-0000-0000-0000-000000000007" in text
    assert "From 2026-01-05 12:00:00 to 2026-01-05 12:03:00 UTC" in text
    assert "| Versions of these objects | 1,300 |" in text
    assert "| Objects kept, because others use them | 1 |" in text
    assert f"`41:{'ab' * 32}`" in text
    assert "**Complete.**" in text


def test_a_receipt_of_an_unfinished_erasure_says_what_is_left():
    text = page(ErasureReport(objects=2))
    assert "**Not complete; run it again.**" in text
    assert "| Objects in the bucket | 2 |" in text
    assert "**Complete.**" not in text
