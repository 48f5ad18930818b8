"""Errors by subject: what happened, what to do, the facts as attributes; all survive pickling."""
