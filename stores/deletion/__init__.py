"""Due recordings, legal holds, erasure and the deletion ledger."""
