"""Due recordings, legal holds, erasure and the ledger of deletions."""
