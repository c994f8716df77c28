"""The transition model at the begin of Kaldi's `final.mdl`."""

import os

import numpy as np

from wfst_asr.hmm.topology import NO_PDF, HmmState, HmmTopology, TopologyEntry, parse_topology
from wfst_asr.hmm.transition_model import TransitionModel
from wfst_asr.kaldi.token_stream import TokenStream, open_stream


def read_transition_model(path: str | os.PathLike[str]) -> TransitionModel:
    """Read the transition model of a `.mdl` file, binary or text; what follows it is left unread.

    Raises:
        WfstAsrError: no such file, or another thing than a model.
    """
    return parse_transition_model(open_stream(path))


def parse_transition_model(stream: TokenStream) -> TransitionModel:
    """Read a transition model and leave the stream behind it (Kaldi `transition-model.cc`)."""
    stream.expect("<TransitionModel>")
    topology = _binary_topology(stream) if stream.binary else _text_topology(stream)
    kind = stream.expect("<Triples>", "<Tuples>")
    columns = 3 if kind == "<Triples>" else 4
    rows = [[stream.integer() for _ in range(columns)] for _ in range(stream.integer())]
    tuples = np.asarray(rows, dtype=np.int32).reshape(-1, columns)
    if columns == 3:
        tuples = np.concatenate((tuples, tuples[:, 2:]), axis=1)
    stream.expect(kind.replace("<", "</"))
    stream.expect("<LogProbs>")
    log_prob = stream.real_vector()
    stream.expect("</LogProbs>")
    stream.expect("</TransitionModel>")
    return TransitionModel(topology, tuples, log_prob)


def _text_topology(stream: TokenStream) -> HmmTopology:
    tokens = [stream.expect("<Topology>")]
    while tokens[-1] != "</Topology>":
        tokens.append(stream.token())
    return parse_topology(tokens)


def _binary_topology(stream: TokenStream) -> HmmTopology:
    stream.expect("<Topology>")
    phones = stream.integer_vector()
    entry_of = stream.integer_vector()
    count = stream.integer()
    two_classes = count == -1
    if two_classes:
        count = stream.integer()
    entries: list[TopologyEntry] = []
    for _ in range(count):
        states = []
        for _ in range(stream.integer()):
            forward = stream.integer()
            loop = stream.integer() if two_classes else forward
            arcs = tuple((stream.integer(), stream.real()) for _ in range(stream.integer()))
            states.append(HmmState(forward, loop if forward != NO_PDF else NO_PDF, arcs))
        entries.append(tuple(states))
    stream.expect("</Topology>")
    return HmmTopology(tuple(entries), {int(phone): int(entry_of[phone]) for phone in phones})
