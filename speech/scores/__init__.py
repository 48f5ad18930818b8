"""From an alignment to scores: features, their calibrated maps, the scores."""
