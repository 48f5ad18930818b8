"""Backfills: what they selected, what became of it, and what puts it back."""
