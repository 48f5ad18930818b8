"""The bucket's inventory and how it compares with rows."""
