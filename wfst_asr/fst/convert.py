"""The seam itself: OpenFst machines to flat arrays and back, through the bytes of a const FST, never arc by arc."""

from pathlib import Path
from typing import Any

import numpy as np
import pynini
import pywrapfst

from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import ARC_DTYPE, STATE_DTYPE, ArcTable, _parse_header, const_fst_bytes


def to_pynini(table: ArcTable) -> pynini.Fst:
    """Return the machine as a mutable OpenFst vector FST over the tropical semiring.

    >>> from wfst_asr.fst.arcs import arc_table
    >>> fst = to_pynini(arc_table(2, [(0, 1, 3, 4, 0.5)], finals={1: 0.25}))
    >>> print(fst.num_states(), fst.print().split())
    2 ['0', '1', '3', '4', '0.5', '1', '0.25']
    """
    const = pywrapfst.Fst.read_from_string(const_fst_bytes(table))
    return pynini.Fst.from_pywrapfst(pywrapfst.convert(const, "vector"))


def from_pynini(fst: pywrapfst.Fst) -> ArcTable:
    """Return any tropical OpenFst machine, of pynini or pywrapfst, as flat arrays; symbol tables are left behind.

    Raises:
        WfstAsrError: the machine is over another semiring than the tropical one, or is marked as an error by OpenFst.

    >>> from_pynini(pynini.accep("ab")).arcs["ilabel"].tolist()
    [97, 98]
    """
    if fst.arc_type() != "standard":
        raise WfstAsrError(
            f"the FST has arc type '{fst.arc_type()}', expected 'standard' (tropical weights); convert it with arcmap"
        )
    if fst.properties(pywrapfst.ERROR, True) == pywrapfst.ERROR:
        raise WfstAsrError("the FST is marked as an error by OpenFst; the operation that made it failed")
    if fst.input_symbols() is not None or fst.output_symbols() is not None:
        bare: Any = pywrapfst.convert(fst, "vector").copy()
        bare.set_input_symbols(None)
        bare.set_output_symbols(None)
        fst = bare
    data = pywrapfst.convert(fst, "const").write_to_string()
    start, num_states, num_arcs, offset = _parse_header(data[:4096], Path("<memory>"))
    states = np.frombuffer(data, dtype=STATE_DTYPE, count=num_states, offset=offset)
    arcs = np.frombuffer(data, dtype=ARC_DTYPE, count=num_arcs, offset=offset + STATE_DTYPE.itemsize * num_states)
    first_arc = np.empty(num_states + 1, dtype=np.int64)
    first_arc[:-1] = states["first_arc"]
    first_arc[-1] = num_arcs
    return ArcTable(start if num_states else -1, first_arc, arcs, np.ascontiguousarray(states["final_cost"]))
