"""Pure speech measures on numpy arrays; imports nothing of ours."""
