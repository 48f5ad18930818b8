"""Backfills: selection, leases, outcomes and undo."""
