"""Take away from a process what it does not need; imports nothing of ours."""
