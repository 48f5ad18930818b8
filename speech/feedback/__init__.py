"""Feedback for learners, from measures alone; no audio, no models."""
