"""Alembic's environment and versions; the entry point is `run`. Migrations import no tables."""
