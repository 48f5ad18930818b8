"""Prefect flows: they only order tasks; of what runs in Prefect, only they read the clock."""
