"""Scripts that print every published figure, next to that of a peer or a lower bound."""
