"""Lattices: the paths that a search kept, and what is asked of them."""
