"""`wfst-asr lattice nbest`: the n best word sequences of each lattice."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np

from wfst_asr.cli.lattice_source import LatticeSource, nbest_record, source_options, write_lines


@click.command()
@source_options
@click.option("-n", "--num", default=10, show_default=True, type=click.IntRange(1), help="Sequences an utterance.")
@click.option("--max-extra-cost", type=click.FloatRange(0), help="Leave out what costs more than this above the best.")
@click.option("--output", type=click.Path(path_type=Path), help="File to write.  [default: standard output]")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a sequence, with costs and confidences.")
def nbest(num: int, max_extra_cost: float | None, output: Path | None, as_json: bool, **options: Any) -> None:
    """List the best word sequences of LATTICES, each once: lines "UTTERANCE-RANK WORD ...", ranks from 1.

    Costs are graph cost + acoustic scale * acoustic cost + insertion penalty * words; acoustic costs are told unscaled.
    """
    source = LatticeSource.of_options(**options)
    write_lines(_lines(source, num, np.inf if max_extra_cost is None else max_extra_cost, as_json=as_json), output)


def _lines(source: LatticeSource, num: int, max_extra_cost: float, *, as_json: bool) -> Iterator[str]:
    from wfst_asr.lattice.confidence import word_confidences
    from wfst_asr.lattice.nbest import n_best

    for utterance, lattice in source:
        found = n_best(
            lattice,
            num,
            acoustic_scale=source.acoustic_scale,
            insertion_penalty=source.insertion_penalty,
            max_extra_cost=max_extra_cost,
        )
        for rank, path in enumerate(found, start=1):
            words = source.words_of(path.word_ids)
            if not as_json:
                yield " ".join([f"{utterance}-{rank}", *words])
                continue
            total = path.graph_cost + source.acoustic_scale * path.acoustic_cost + source.insertion_penalty * len(words)
            confidences = word_confidences(lattice, path.word_ids, acoustic_scale=source.acoustic_scale)
            costs = (total, path.graph_cost, path.acoustic_cost)
            record = nbest_record(utterance, rank, words, costs=costs, confidences=confidences)
            yield json.dumps(record, ensure_ascii=False)
