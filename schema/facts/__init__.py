"""Frozen values by subject, as they travel between stores, policy, reports and tasks."""
