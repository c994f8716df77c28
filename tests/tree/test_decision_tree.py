import contextlib
from itertools import product

import numpy as np
import pytest

from wfst_asr.errors import WfstAsrError
from wfst_asr.tree.decision_tree import PDF_CLASS, Constant, DecisionTree, EventMap, Split, Table, monophone_tree

PHONES = (1, 2, 3, 4)


def random_tree(rng: np.random.Generator, depth: int) -> EventMap:
    if depth == 0:
        return Constant(int(rng.integers(50)))
    key = int(rng.choice([PDF_CLASS, 0, 1, 2]))
    if rng.random() < 0.3:
        size = 3 if key == PDF_CLASS else 5
        return Table(key, tuple(random_tree(rng, depth - 1) for _ in range(size)))
    values = frozenset(int(v) for v in range(5) if rng.random() < 0.5)
    return Split(key, values, random_tree(rng, depth - 1), random_tree(rng, depth - 1))


@pytest.mark.parametrize("seed", range(20))
def test_reachable_pdfs_are_those_of_all_windows(seed: int) -> None:
    tree = DecisionTree(3, 1, random_tree(np.random.default_rng(seed), 4))
    others = (0, *PHONES, 99)  # 99: a phone that no question names and no table has
    for phone in PHONES:
        for classes in ((0,), (2,), (0, 1), (1, 1)):
            every = set()
            for left, right in product(others, repeat=2):
                with contextlib.suppress(WfstAsrError):
                    every.add(tuple(tree.pdf_id((left, phone, right), c) for c in classes))
            assert tree.pdf_tuples(phone, classes) == every


def test_monophones_share_pdfs_only_in_their_set() -> None:
    tree = monophone_tree({1: 5, 2: 3, 3: 3, 4: 3}, shared=[(2, 4)])
    pdfs = {phone: [tree.pdf_id((phone,), c) for c in range(3)] for phone in PHONES}
    assert pdfs[2] == pdfs[4] != pdfs[3]
    assert tree.num_pdfs == 5 + 3 + 3


def test_a_window_of_another_width_is_refused() -> None:
    with pytest.raises(WfstAsrError, match="has 3 phones, the tree wants 1"):
        monophone_tree({1: 1}).pdf_id((1, 1, 1), 0)


def test_a_central_position_outside_the_window_is_refused() -> None:
    with pytest.raises(WfstAsrError, match="central position 3"):
        DecisionTree(3, 3, Constant(0))
