"""Connectionist temporal classification: collapse, greedy and prefix search, loss and gradient, candidates."""
