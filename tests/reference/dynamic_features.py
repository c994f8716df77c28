"""Deltas, sliding normalisation and Sphinx's dynamic features, a frame at a time."""

import numpy as np


def naive_deltas(features: np.ndarray, order: int, window: int) -> np.ndarray:
    """Kaldi's add-deltas: the slope's weights convolved with themselves, frames clipped to the recording."""
    weights = {0: 1.0}
    scale = sum(k * k for k in range(-window, window + 1))
    blocks = []
    for current in range(order + 1):
        if current:
            convolved: dict[int, float] = {}
            for offset, weight in weights.items():
                for k in range(-window, window + 1):
                    convolved[offset + k] = convolved.get(offset + k, 0.0) + weight * k / scale
            weights = convolved
        block = np.zeros(features.shape)
        for t in range(len(features)):
            for offset, weight in weights.items():
                block[t] += weight * features[min(max(t + offset, 0), len(features) - 1)]
        blocks.append(block)
    return np.concatenate(blocks, axis=1)


def naive_sliding_cmvn(features: np.ndarray, window: int, min_window: int, center: bool, norm_vars: bool) -> np.ndarray:
    """Kaldi's apply-cmvn-sliding."""
    result = np.empty(features.shape)
    for t in range(len(features)):
        if center:
            start, end = t - window // 2, t - window // 2 + window
        else:
            start, end = t - window, t + 1
        if start < 0:
            end, start = end - start, 0
        if not center:
            end = max(t + 1, min_window)
        if end > len(features):
            start, end = max(start - (end - len(features)), 0), len(features)
        part = features[start:end].astype(np.float64)
        result[t] = features[t] - part.mean(axis=0)
        if norm_vars:
            result[t] = 0.0 if len(part) == 1 else result[t] / np.sqrt(np.maximum(part.var(axis=0), 1e-10))
    return result


def naive_sphinx_1s_c_d_dd(cepstra: np.ndarray) -> np.ndarray:
    """Sphinx's feat.c on cepstra with three frames of padding on either side."""

    def c(t: int) -> np.ndarray:
        return cepstra[min(max(t, 0), len(cepstra) - 1)]

    rows = []
    for t in range(len(cepstra)):
        second = (c(t + 3) - c(t - 1)) - (c(t + 1) - c(t - 3))
        rows.append(np.concatenate([c(t), c(t + 2) - c(t - 2), second]))
    return np.array(rows)
