"""Tasks that measure and publish storage costs."""
