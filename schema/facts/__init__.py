"""Frozen values by subject, passed between stores, policy, reports and tasks."""
