"""From an alignment to scores: what is measured, the network, the gate, the scores."""
