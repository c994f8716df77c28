"""Small CTC score matrices."""

import numpy as np
from hypothesis import strategies as st


def log_softmax(logits):
    logits = np.asarray(logits, dtype=np.float64)
    return logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)


@st.composite
def small_scores(draw, *, max_frames=5, max_labels=4):
    """Draw (log_probs (T, V), blank); some labels are impossible."""
    num_frames = draw(st.integers(1, max_frames))
    num_labels = draw(st.integers(1, max_labels))
    blank = draw(st.integers(0, num_labels - 1))
    one = st.one_of(st.floats(-6, 6), st.just(-np.inf))
    rows = draw(
        st.lists(st.lists(one, min_size=num_labels, max_size=num_labels), min_size=num_frames, max_size=num_frames)
    )
    logits = np.array(rows, dtype=np.float64).reshape(num_frames, num_labels)
    logits[np.isinf(logits).all(axis=1)] = 0.0
    return log_softmax(logits), blank
