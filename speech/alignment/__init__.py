"""Forced alignment: when each word and phone of a known text is said."""
