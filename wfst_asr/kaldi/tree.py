"""Kaldi's `tree` file: the decision tree of a model."""

import os

from wfst_asr.kaldi.token_stream import TokenStream, open_stream
from wfst_asr.tree.decision_tree import Constant, DecisionTree, EventMap, Split, Table


def read_tree(path: str | os.PathLike[str]) -> DecisionTree:
    """Read a `tree` file, binary or text (Kaldi `context-dep.cc`, `event-map.cc`).

    Raises:
        WfstAsrError: no such file, or another thing than a tree.
    """
    stream = open_stream(path)
    stream.expect("ContextDependency")
    width, position = stream.integer(), stream.integer()
    if stream.token() == "ToLength":  # old files hold the numbers of pdf-classes here
        _event_map(stream)
        stream.expect("ToPdf")
    root = _event_map(stream)
    if root is None:
        raise stream.error("an empty tree")
    stream.expect("EndContextDependency")
    return DecisionTree(width, position, root)


def _event_map(stream: TokenStream) -> EventMap | None:
    kind = stream.expect("CE", "TE", "SE", "NULL")
    if kind == "NULL":
        return None
    if kind == "CE":
        return Constant(stream.integer())
    key = stream.integer()
    if kind == "TE":
        size = stream.unsigned()
        stream.expect("(")
        nodes = tuple(_event_map(stream) for _ in range(size))
        stream.expect(")")
        return Table(key, nodes)
    values = frozenset(stream.integer_vector().tolist())
    stream.expect("{")
    yes, no = _event_map(stream), _event_map(stream)
    stream.expect("}")
    if yes is None or no is None:
        raise stream.error("a question without an answer")
    return Split(key, values, yes, no)
