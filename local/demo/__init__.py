"""The demo: its learners, its steps and what it prints."""
