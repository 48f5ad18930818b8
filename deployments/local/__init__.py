"""The local stack: real servers in a private folder on loopback ports."""
