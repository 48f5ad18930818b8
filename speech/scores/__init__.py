"""Scores of an alignment: its features, the network, the validity gate."""
