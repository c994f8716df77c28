"""Phonetic context: which tied state (pdf-id) a phone's HMM state has between its neighbours."""
