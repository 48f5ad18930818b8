"""From a transcript as written to words and phones as spoken."""
