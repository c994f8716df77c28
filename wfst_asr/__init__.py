"""wfst_asr: speech recognition with weighted finite-state transducers."""
