"""A lang directory, a model, a graph, scores and sound for tests of the command line: four words, phones without context."""

from pathlib import Path

import numpy as np
import soundfile

from wfst_asr.cli.main import main
from wfst_asr.graph.lang_dir import read_lang_dir
from wfst_asr.hmm.topology import format_topology
from wfst_asr.hmm.transition_model import transition_model_from_tree
from wfst_asr.io.archives import matrix_writer
from wfst_asr.kaldi.tree import write_tree
from wfst_asr.tree.decision_tree import monophone_tree

LEXICON = "green G R IY N\nno N OW\nred R EH D\nstop S T AA P\n"
ARPA = r"""\data\
ngram 1=6
ngram 2=3

\1-grams:
-0.60206 </s>
-99 <s> -0.30103
-0.60206 green -0.30103
-0.90309 no
-0.60206 red -0.30103
-0.90309 stop

\2-grams:
-0.30103 <s> red
-0.30103 red green
-0.30103 green stop

\end\
"""
NUM_COLUMNS = 14
LANG_OPTIONS = ["--silence-phones", "SIL", "--no-position-dependent", "--num-states", "1", "--num-silence-states", "3"]


def status_of(*arguments: object) -> int:
    """Run the command in this process and return its exit status."""
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as end:
        return int(end.code or 0)
    raise AssertionError("the command did not exit")


def make_world(folder: Path) -> None:
    """Write lexicon.txt, lm.arpa, lang/, model/, graph/, scores.ark and sound.wav."""
    (folder / "lexicon.txt").write_text(LEXICON)
    (folder / "lm.arpa").write_text(ARPA)
    lang, model = folder / "lang", folder / "model"
    assert status_of("lang", "make", folder / "lexicon.txt", lang, *LANG_OPTIONS) == 0
    assert status_of("lm", "compile", folder / "lm.arpa", lang) == 0
    topology = read_lang_dir(lang).topology()
    tree = monophone_tree({phone: topology.num_pdf_classes(phone) for phone in topology.phones})
    transitions = transition_model_from_tree(tree, topology)
    model.mkdir()
    write_tree(tree, model / "tree")
    rows = " ".join(" ".join(map(str, row[:3])) for row in transitions.tuples.tolist())
    (model / "final.mdl").write_text(
        f"<TransitionModel> {format_topology(topology)} <Triples> {len(transitions.tuples)} {rows} </Triples> "
        f"<LogProbs> [ {' '.join(f'{p:.6f}' for p in transitions.log_prob)} ] </LogProbs> </TransitionModel> \n"
    )
    assert status_of("graph", "compile", lang, model, folder / "graph") == 0
    rng = np.random.default_rng(0)
    with matrix_writer(folder / "scores.ark") as write:
        write("a", rng.normal(size=(50, NUM_COLUMNS)).astype(np.float32))
    assert status_of("decode", folder / "graph", "--scores", folder / "scores.ark", folder / "decoded") == 0
    soundfile.write(folder / "sound.wav", 0.1 * rng.normal(size=8000), 16000)
