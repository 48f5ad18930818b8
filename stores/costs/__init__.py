"""Measurements of storage, throughput and traffic, and the stored daily metrics."""
