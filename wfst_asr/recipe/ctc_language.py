"""Stages of a recipe for a network of letters: its words spelled in its tokens, and the graph T o L o G."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wfst_asr.ctc.tokens import read_tokens
from wfst_asr.errors import WfstAsrError
from wfst_asr.graph.lang_dir import make_lang_dir
from wfst_asr.graph.lang_topology import LangTopology
from wfst_asr.io.data_dir import read_data_dir
from wfst_asr.lexicon.phone_set import PhoneSet
from wfst_asr.lexicon.spelling import spelling_lexicon
from wfst_asr.recipe.ctc_graph import CtcGraphOptions, compile_ctc_graph
from wfst_asr.recipe.neural_model import TOKENS_NAME, read_model_record


def make_spelling_lang(
    out_dir: Path,
    *,
    model_dir: Path,
    data_dir: Path | None = None,
    lexicon: Path | None = None,
    words: Sequence[str] = (),
    boundary_prob: float = 0.9,
) -> dict[str, Any]:
    """Write a lexicon directory of words spelled in the tokens of a network, its boundary optional between words.

    Args:
        out_dir: where to write.
        model_dir: the network.
        data_dir: data directory whose transcripts have the words.
        lexicon: file of pronunciations whose words are taken, the pronunciations are not.
        words: more of them.
        boundary_prob: probability of the boundary at the beginning, between words and at the end.

    Returns:
        Numbers of words and tokens.

    Raises:
        WfstAsrError: no words, or none that can be spelled.
    """
    from wfst_asr.recipe.language import read_pronunciations

    tokens = read_tokens(model_dir / TOKENS_NAME)
    boundary = str(read_model_record(model_dir).get("boundary", ""))
    found = list(words)
    if data_dir is not None:
        found += [word for text in (read_data_dir(data_dir).text or {}).values() for word in text.split()]
    if lexicon is not None:
        found += read_pronunciations(lexicon).words
    if not found:
        raise WfstAsrError("there are no words to spell; name transcripts or a lexicon")
    units = [name for column, name in enumerate(tokens.names) if column != tokens.blank and name != boundary]
    spelled = spelling_lexicon(sorted(set(found)), units)
    silence = (boundary,) if boundary else ()
    phone_set = PhoneSet.of_lexicon(
        spelled, silence=silence, optional_silence=boundary or None, position_dependent=False
    )
    make_lang_dir(
        spelled,
        out_dir,
        phone_set,
        silence_prob=boundary_prob if boundary else 0.0,
        topology=LangTopology(num_states=1, num_silence_states=1),
    )
    return {"words": len(spelled.words), "tokens": len(tokens.names)}


def compile_spelling_graph(
    out_dir: Path, *, lang_dir: Path, grammar: Path, model_dir: Path, topology: str = "standard"
) -> dict[str, Any]:
    """Compile T o L o G for a network, with its tokens and its frame shift; return the sizes."""
    shift = float(read_model_record(model_dir)["frame_shift_s"])
    options = CtcGraphOptions(topology=topology, frame_shift_s=shift)  # type: ignore[arg-type]
    made = compile_ctc_graph(lang_dir, grammar, model_dir / TOKENS_NAME, out_dir, options)
    return {"states": made.num_states, "arcs": made.num_arcs, "method": made.method}
