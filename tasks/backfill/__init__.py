"""Tasks that re-analyse history, and undo it."""
