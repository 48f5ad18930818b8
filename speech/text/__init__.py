"""Convert a written transcript to spoken words and phones."""
