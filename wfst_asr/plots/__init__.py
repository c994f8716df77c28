"""Plots, each with matplotlib, which comes with the extra `plots`."""
