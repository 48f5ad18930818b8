"""Forced alignment: locate each word and phone of a known text in a recording."""
