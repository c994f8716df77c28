"""Grammars written with pynini: functions that return transducers; nothing is built at import."""
