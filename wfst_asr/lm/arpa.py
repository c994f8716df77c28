"""Read and write back-off language models in the ARPA format, the only place where log10 lives."""

from wfst_asr.lm.arpa_reader import read_arpa
from wfst_asr.lm.arpa_writer import write_arpa

__all__ = ["read_arpa", "write_arpa"]
