"""What tests of the reconciliation share."""

from stores.reconciliation import comparison
from tasks.reconciliation.listing import begin_reconciliation, list_chunk
from tasks.resources import storage


def found(report):
    return {finding.kind: finding.examples for finding in report.findings}


def delete_object(key):
    storage.bucket().client.delete_object(Bucket=storage.bucket().name, Key=key)


def spy_on_compare(monkeypatch):
    compared = []
    real = comparison.compare

    def spy(*arguments, **options):
        compared.append(real(*arguments, **options))
        return compared[-1]

    monkeypatch.setattr(comparison, "compare", spy)
    return compared


def interrupted():
    """Begin, list a page or two, and give up."""
    run = begin_reconciliation.fn()
    list_chunk.fn(run)
    return run
