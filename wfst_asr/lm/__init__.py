"""N-gram language models: read, write, count, smooth, prune, score."""
