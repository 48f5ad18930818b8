"""Tasks that compare rows with the bucket."""
