"""The transition model at the begin of Kaldi's `final.mdl`, read and written."""

import os

import numpy as np

from wfst_asr.errors import WfstAsrError
from wfst_asr.hmm.topology import NO_PDF, HmmState, HmmTopology, TopologyEntry, format_topology, parse_topology
from wfst_asr.hmm.transition_model import TransitionModel
from wfst_asr.kaldi.token_stream import TokenStream, open_stream
from wfst_asr.kaldi.token_writer import TokenWriter


def read_transition_model(path: str | os.PathLike[str]) -> TransitionModel:
    """Read the transition model of a `.mdl` file, binary or text; what follows it is left unread.

    Raises:
        WfstAsrError: no such file, or another thing than a model.
    """
    return parse_transition_model(open_stream(path))


def parse_transition_model(stream: TokenStream) -> TransitionModel:
    """Read a transition model and leave the stream behind it (Kaldi `transition-model.cc`).

    Raises:
        WfstAsrError: the stream ends early or holds something else.
    """
    try:
        return _transition_model(stream)
    except WfstAsrError as error:
        if str(error).startswith(stream.name):
            raise
        raise WfstAsrError(f"{stream.name}: {error}") from error


def _transition_model(stream: TokenStream) -> TransitionModel:
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
    for phone, hmm_state, *_ in rows:
        if not 0 <= hmm_state < len(topology.states(phone)):
            raise stream.error(f"a transition out of HMM state {hmm_state} of phone {phone}, which has no such state")
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
    if not len(phones) or not 0 < int(phones.min()) <= int(phones.max()) < len(entry_of):
        raise stream.error("a topology whose phones have no entries")
    return HmmTopology(tuple(entries), {int(phone): int(entry_of[phone]) for phone in phones})


def put_transition_model(model: TransitionModel, writer: TokenWriter) -> None:
    """Write a transition model into a file that is being made; in the older form where loops have no pdf of their own.

    Text holds the topology's probabilities to seven digits; Kaldi only takes them for new models.
    """
    writer.token("<TransitionModel>")
    writer.line_end()
    one_class = all(
        state.forward_pdf_class == state.self_loop_pdf_class for entry in model.topology.entries for state in entry
    )
    if writer.binary:
        _put_binary_topology(model.topology, writer, one_class=one_class)
    else:
        writer.text(format_topology(model.topology))
    one_pdf = bool(np.all(model.tuples[:, 2] == model.tuples[:, 3]))
    kind = "Triples" if one_pdf else "Tuples"
    writer.token(f"<{kind}>")
    writer.integer(len(model.tuples))
    writer.line_end()
    for row in model.tuples[:, : 3 if one_pdf else 4].tolist():
        for value in row:
            writer.integer(value)
        writer.line_end()
    writer.token(f"</{kind}>")
    writer.line_end()
    writer.token("<LogProbs>")
    writer.line_end()
    writer.real_vector(model.log_prob)
    writer.token("</LogProbs>")
    writer.line_end()
    writer.token("</TransitionModel>")
    writer.line_end()


def _put_binary_topology(topology: HmmTopology, writer: TokenWriter, *, one_class: bool) -> None:
    phones = np.asarray(topology.phones, dtype=np.int32)
    entry_of = np.full(int(phones.max()) + 1, -1, dtype=np.int32)
    entry_of[phones] = [topology.entry_of_phone[int(phone)] for phone in phones]
    writer.token("<Topology>")
    writer.integer_vector(phones)
    writer.integer_vector(entry_of)
    if not one_class:
        writer.integer(-1)
    writer.integer(len(topology.entries))
    for entry in topology.entries:
        writer.integer(len(entry))
        for state in entry:
            writer.integer(state.forward_pdf_class)
            if not one_class:
                writer.integer(state.self_loop_pdf_class)
            writer.integer(len(state.transitions))
            for dest, prob in state.transitions:
                writer.integer(dest)
                writer.real(prob)
    writer.token("</Topology>")
