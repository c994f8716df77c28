"""PocketSphinx's live cepstral mean, a frame at a time."""


def naive_live_means(
    cepstra: list[list[float]], begin: list[float], utterance_ends: tuple[int, ...]
) -> list[list[float]]:
    """Return the mean that is taken off each frame."""
    dims = range(len(begin))
    mean = list(begin)
    total = [value * 500 for value in begin]
    count = 500.0
    used = []
    for frame, values in enumerate(cepstra):
        if frame in utterance_ends:
            mean = [total[d] / count for d in dims]
        used.append(list(mean))
        if values[0] >= 0:
            total = [total[d] + values[d] for d in dims]
            count += 1
        if count > 800:
            mean = [total[d] / count for d in dims]
            total = [total[d] * 500 / count for d in dims]
            count = 500.0
    return used
