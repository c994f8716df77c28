"""Whether a lang directory has the phones and HMMs that a model was trained with."""

from pathlib import Path

from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.symbols import read_symbols
from wfst_asr.graph.lang_dir import LangDir
from wfst_asr.hmm.topology import HmmTopology


def check_phones(lang: LangDir, model_dir: Path) -> None:
    """Refuse a lang directory whose phones have other numbers than those that a model was trained with.

    Raises:
        WfstAsrError: the first phone that differs.
    """
    if not (model_dir / "phones.txt").exists():
        return
    trained = read_symbols(model_dir / "phones.txt")
    for name in (*lang.silence_phones, *lang.nonsilence_phones):
        if trained.get(name) != lang.phones[name]:
            raise WfstAsrError(
                f"{lang.folder}: its phone '{name}' has the number {lang.phones[name]}, but "
                f"{trained.get(name, 'none')} in {model_dir / 'phones.txt'}; take the lang directory that the model "
                "was trained with"
            )


def check_states(lang: LangDir, topology: HmmTopology, model_dir: Path) -> None:
    """Refuse a lang directory whose HMMs have other states or arcs than a model's; probabilities may differ.

    Raises:
        WfstAsrError: the first phone that differs.
    """
    own = lang.topology()
    for phone in own.phones:
        if phone not in topology.entry_of_phone or _shape(own, phone) != _shape(topology, phone):
            raise WfstAsrError(
                f"{lang.folder / 'topo'}: the HMM of phone '{lang.phones.names[phone]}' has other states than in "
                f"{model_dir}; take the lang directory that the model was trained with, or train it again"
            )


def _shape(topology: HmmTopology, phone: int) -> list[tuple[int, int, tuple[int, ...]]]:
    return [
        (state.forward_pdf_class, state.self_loop_pdf_class, tuple(to for to, _ in state.transitions))
        for state in topology.states(phone)
    ]
