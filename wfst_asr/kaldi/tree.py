"""Kaldi's `tree` file: the decision tree of a model."""

import os
import struct

from wfst_asr.atomic_files import written_aside
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


def write_tree(tree: DecisionTree, path: str | os.PathLike[str], *, binary: bool = True) -> None:
    """Write a `tree` file that Kaldi reads (written aside, then renamed)."""
    with written_aside(path) as aside:
        aside.write_bytes((b"\0B" if binary else b"") + tree_bytes(tree, binary=binary))


def tree_bytes(tree: DecisionTree, *, binary: bool = True) -> bytes:
    """Return the content of a `tree` file, without the mark of binary files."""
    writer = _TreeWriter(binary)
    writer.token("ContextDependency")
    writer.integer(tree.context_width)
    writer.integer(tree.central_position)
    writer.token("ToPdf")
    writer.event_map(tree.root)
    writer.token("EndContextDependency")
    return b"".join(writer.pieces)


class _TreeWriter:
    def __init__(self, binary: bool) -> None:
        self.pieces: list[bytes] = []
        self._binary = binary

    def token(self, text: str) -> None:
        self.pieces.append(f"{text} ".encode())

    def integer(self, value: int, *, signed: bool = True) -> None:
        if self._binary:
            self.pieces.append(struct.pack("<bi", 4, value) if signed else struct.pack("<bI", -4, value))
        else:
            self.token(str(value))

    def event_map(self, node: EventMap | None) -> None:
        if node is None:
            self.token("NULL")
        elif isinstance(node, Constant):
            self.token("CE")
            self.integer(node.pdf_id)
        elif isinstance(node, Table):
            self.token("TE")
            self.integer(node.key)
            self.integer(len(node.nodes), signed=False)
            self.token("(")
            for child in node.nodes:
                self.event_map(child)
            self.token(")")
        else:
            self.token("SE")
            self.integer(node.key)
            values = sorted(node.yes_values)
            if self._binary:
                self.pieces.append(struct.pack("<bi", 4, len(values)) + struct.pack(f"<{len(values)}i", *values))
            else:
                self.token(" ".join(["[", *map(str, values), "]"]))
            self.token("{")
            self.event_map(node.yes)
            self.event_map(node.no)
            self.token("}")
