"""OpenFst transducers (pynini) and their flat-array twin, the ArcTable."""
