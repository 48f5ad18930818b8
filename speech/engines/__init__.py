"""Engines: each analyses a recording of a known text; imports nothing of ours but `speech`."""
