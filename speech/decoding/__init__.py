"""Readers of recordings by format, and their repair; imports nothing else of ours but errors."""
