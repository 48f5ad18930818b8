"""The bucket's inventory and its comparison with rows."""
