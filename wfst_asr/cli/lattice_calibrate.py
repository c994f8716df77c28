"""`wfst-asr lattice calibrate`: learn from words whose reference is known what their confidences are worth."""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wfst_asr.cli.lattice_source import LatticeSource, source_options
from wfst_asr.errors import WfstAsrError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from wfst_asr.score.calibration import Calibration

_CLIP = 0.001  # of the cross entropy, which one certain mistake makes infinite


@click.command()
@source_options
@click.argument("reference", metavar="TEXT", type=click.Path(path_type=Path))
@click.argument("output", metavar="OUT", type=click.Path(path_type=Path))
@click.option("--method", default="logistic", show_default=True, type=click.Choice(["logistic", "isotonic"]))
@click.option("--mbr", is_flag=True, help="Of the words of minimum Bayes risk, in place of the best path's.")
@click.option("--plot", type=click.Path(path_type=Path), help="Also draw a reliability diagram (.png, .svg, .pdf).")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def calibrate(
    reference: Path, output: Path, method: str, mbr: bool, plot: Path | None, as_json: bool, **options: Any
) -> None:
    """Fit a calibration of confidences on LATTICES and the words of TEXT, and write it to OUT (JSON).

    Tells normalized cross entropy (higher is better; confidences kept within 0.001 and 0.999) and expected calibration
    error (lower is better) before and after; after, of a calibration fitted on the other half of the utterances.
    """
    import numpy as np

    from wfst_asr.score.calibration import fit_isotonic, fit_logistic, save_calibration

    if plot:
        from wfst_asr.plots.language_model import check_plot

        check_plot(plot)
    fit = fit_isotonic if method == "isotonic" else fit_logistic
    half, confidences, correct = _words(LatticeSource.of_options(**options), reference, mbr=mbr)
    halves = [(half == 0, half == 1), (half == 1, half == 0)]
    mended = confidences.copy()
    if all(len(confidences[part]) for part in halves[0]):
        for learn, judge in halves:
            mended[judge] = fit(confidences[learn], correct[learn])(confidences[judge])
    else:
        mended[:] = np.nan
    calibration: Calibration = fit(confidences, correct)
    save_calibration(calibration, output)
    if plot:
        from wfst_asr.plots.confidence import draw_reliability

        draw_reliability(confidences, correct, plot, calibration=calibration)
    before = _measures(confidences, correct)
    after = _measures(mended, correct) if np.isfinite(mended).all() else {"nce": None, "ece": None}
    record = {"words": len(correct), "correct": int(correct.sum()), "before": before, "after": after}
    if as_json:
        click.echo(json.dumps(record))
        return
    click.echo(f"{output}: {method} calibration of {len(correct):,} words, {correct.sum():,} of them right")
    for name, told in (("before", before), ("after, by halves", after)):
        values = ", ".join(
            f"{label} {'undefined' if told[key] is None else format(told[key], '.3f')}"
            for key, label in (("nce", "normalized cross entropy"), ("ece", "calibration error"))
        )
        click.echo(f"{name}: {values}")


def _words(
    source: LatticeSource, reference: Path, *, mbr: bool
) -> "tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]":
    """Return of all words which half of the utterances they are in, their confidence, and whether they are right."""
    import numpy as np

    from wfst_asr.lattice.confusion import confusion_network
    from wfst_asr.score.calibration import word_correctness
    from wfst_asr.score.wer import read_text

    references = read_text(reference)
    halves: list[NDArray[np.int64]] = []
    confidences: list[NDArray[np.float64]] = []
    correct: list[NDArray[np.bool_]] = []
    for utterance, lattice in source:
        if utterance not in references:
            continue
        found = confusion_network(
            lattice,
            keep=not mbr,
            acoustic_scale=source.acoustic_scale,
            insertion_penalty=source.insertion_penalty,
        )
        confidences.append(found.confidences)
        correct.append(word_correctness(references[utterance], source.words_of(found.hypothesis)))
        halves.append(np.full(len(found.hypothesis), len(halves) % 2))
    if not sum(map(len, confidences)):
        raise WfstAsrError(
            f"{reference} has no words for the utterances of {source.path}; give the text of these recordings"
        )
    return np.concatenate(halves), np.concatenate(confidences), np.concatenate(correct)


def _measures(confidences: "NDArray[np.float64]", correct: "NDArray[np.bool_]") -> dict[str, float | None]:
    from wfst_asr.score.calibration import expected_calibration_error, normalized_cross_entropy

    entropy = normalized_cross_entropy(confidences, correct, clip=_CLIP)
    return {
        "nce": round(entropy, 4) if math.isfinite(entropy) else None,
        "ece": round(expected_calibration_error(confidences, correct), 4),
    }
