"""Tasks that measure what storage costs, and publish it."""
