"""What storage holds and costs, measured in one pass and kept."""
