"""Learners for the demo and what it prints."""
