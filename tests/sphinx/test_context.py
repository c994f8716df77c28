"""Triphones as a context dependency."""

import numpy as np
import pytest

from wfst_asr.errors import WfstAsrError
from wfst_asr.sphinx.context import SphinxContext
from wfst_asr.sphinx.mdef import WORD_POSITIONS, ModelDefinition
from wfst_asr.tree.context_dependency import ContextDependency


@pytest.fixture(scope="module")
def context(mdef: ModelDefinition) -> SphinxContext:
    return SphinxContext(mdef)


def test_phones_are_fillers_once_and_the_others_four_times(context: SphinxContext) -> None:
    assert context.phones[:7] == ("SIL", "+NSN+", "+SPN+", "AA_B", "AA_E", "AA_I", "AA_S")
    assert len(context.phones) == 3 + 39 * 4
    assert context.phone_ids["SIL"] == 1
    for name, phone in context.phone_ids.items():
        base = context.mdef.ci_phones[context.base_of_phone[phone]]
        letter = WORD_POSITIONS[context.wpos_of_phone[phone]].upper()
        assert name == (base if base in ("SIL", "+NSN+", "+SPN+") else f"{base}_{letter}")


def test_windows_get_the_triphone_of_their_bases_and_position(context: SphinxContext) -> None:
    dependency: ContextDependency = context
    assert (dependency.context_width, dependency.central_position, dependency.num_pdfs) == (3, 1, 5126)
    ids, mdef = context.phone_ids, context.mdef
    window = (ids["K_B"], ids["AE_I"], ids["T_E"])
    phone = mdef.phone_id(*(mdef.ci_phone_ids[name] for name in ("AE", "K", "T")), WORD_POSITIONS.index("i"))
    assert [context.pdf_id(window, state) for state in range(3)] == mdef.sequences[mdef.phone_ssid[phone]].tolist()
    ssid, tmat = context.window_hmms([window])
    assert ssid.tolist() == [mdef.phone_ssid[phone]]
    assert tmat.tolist() == [mdef.phone_tmat[phone]]
    assert context.senones(ssid).shape == (1, 3)


def test_no_phone_and_fillers_are_silence_as_context_and_independent_of_it(context: SphinxContext) -> None:
    ids = context.phone_ids
    expected = context.window_hmms([(ids["SIL"], ids["AE_B"], ids["SIL"])])
    for left in (0, ids["+NSN+"]):
        found = context.window_hmms([(left, ids["AE_B"], ids["+SPN+"])])
        assert (found[0], found[1]) == expected
    centres = [(left, ids["+NSN+"], right) for left in (0, 5, 90) for right in (0, 7, 100)]
    assert set(context.window_hmms(centres)[0].tolist()) == {context.mdef.phone_ssid[0]}


def test_context_phones_of_one_class_give_every_window_the_same_hmm(context: SphinxContext) -> None:
    size = len(context.phones)
    assert context.num_classes == 40
    assert context.left_class[:4].tolist() == [0, 0, 0, 0]
    assert np.unique(context.left_class).tolist() == list(range(40))
    rng = np.random.default_rng(0)
    members = [np.flatnonzero(context.left_class == i) for i in range(40)]
    windows = np.stack(
        [rng.integers(0, size + 1, 5000), rng.integers(1, size + 1, 5000), rng.integers(0, size + 1, 5000)], 1
    )
    others = windows.copy()
    others[:, 0] = [rng.choice(members[i]) for i in context.left_class[windows[:, 0]]]
    others[:, 2] = [rng.choice(members[i]) for i in context.right_class[windows[:, 2]]]
    for found, expected in zip(context.window_hmms(others), context.window_hmms(windows), strict=True):
        assert (found == expected).all()


def test_ids_out_of_range_are_refused(context: SphinxContext) -> None:
    with pytest.raises(WfstAsrError, match="phone id outside 1 to 159"):
        context.pdf_id((1, 160, 1), 0)
    with pytest.raises(WfstAsrError, match="no central phone"):
        context.pdf_id((1, 0, 1), 0)
    with pytest.raises(WfstAsrError, match="pdf-class 3; the phones of the model have 3 states"):
        context.pdf_id((1, 1, 1), 3)
    with pytest.raises(WfstAsrError, match="context windows of shape"):
        context.window_hmms([1, 2, 3])
