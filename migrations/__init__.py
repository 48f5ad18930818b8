"""Alembic's environment and versions; `run` is the way in. Migrations import no tables."""
