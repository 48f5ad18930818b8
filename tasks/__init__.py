"""Prefect tasks by subject: read, decide, write."""
