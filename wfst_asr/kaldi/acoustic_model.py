"""Kaldi's `final.mdl`: a transition model and the Gaussians of its pdfs (`transition-model.cc`, `am-diag-gmm.cc`)."""

import os

import numpy as np
from numpy.typing import NDArray

from wfst_asr.atomic_files import written_aside
from wfst_asr.errors import WfstAsrError
from wfst_asr.gmm.acoustic_model import AcousticModel
from wfst_asr.hmm.transition_model import TransitionModel
from wfst_asr.kaldi.token_stream import TokenStream, open_stream
from wfst_asr.kaldi.token_writer import TokenWriter
from wfst_asr.kaldi.transition_model import parse_transition_model, put_transition_model

_HALF_LOG_2PI = 0.5 * 1.8378770664093454835606594728112


def read_model(path: str | os.PathLike[str]) -> tuple[TransitionModel, AcousticModel]:
    """Read a `.mdl` file of Gaussian mixtures, binary or text.

    Raises:
        WfstAsrError: no such file, a file that is damaged or truncated, or another thing than such a model.
    """
    stream = open_stream(path)
    transitions = parse_transition_model(stream)
    model = parse_acoustic_model(stream)
    if transitions.num_pdfs > model.num_pdfs:
        raise stream.error(f"the HMMs have {transitions.num_pdfs} pdfs and the Gaussians are of {model.num_pdfs}")
    return transitions, model


def write_model(
    transitions: TransitionModel, model: AcousticModel, path: str | os.PathLike[str], *, binary: bool = True
) -> None:
    """Write a `.mdl` file that Kaldi reads (written aside, then renamed); the same models give the same bytes.

    Numbers are written in single precision, as Kaldi has them, so a model that is read and written again stays the
    same from then on.

    Raises:
        WfstAsrError: the file cannot be written, or the two do not belong together.
    """
    content = model_bytes(transitions, model, binary=binary)
    with written_aside(path) as aside:
        aside.write_bytes(content)


def model_bytes(transitions: TransitionModel, model: AcousticModel, *, binary: bool = True) -> bytes:
    """Return the content of a `.mdl` file.

    Raises:
        WfstAsrError: the two do not belong together.
    """
    if transitions.num_pdfs > model.num_pdfs:
        raise WfstAsrError(
            f"a transition model of {transitions.num_pdfs} pdfs with Gaussians of {model.num_pdfs}; write those that "
            "were trained together"
        )
    writer = TokenWriter(binary=binary)
    put_transition_model(transitions, writer)
    _put_acoustic_model(model, writer)
    return writer.content()


def parse_acoustic_model(stream: TokenStream) -> AcousticModel:
    """Read the Gaussians of a model, from `<DIMENSION>` on.

    Raises:
        WfstAsrError: the stream ends early or holds something else.
    """
    stream.expect("<DIMENSION>")
    dim = stream.integer()
    stream.expect("<NUMPDFS>")
    parts = [_mixture(stream, dim) for _ in range(stream.integer())]
    if not parts:
        raise stream.error("an acoustic model without pdfs")
    offsets = np.concatenate(([0], np.cumsum([len(part[0]) for part in parts], dtype=np.int64)))
    weights, means_over, inverse = (np.concatenate([part[i] for part in parts]).astype(np.float64) for i in range(3))
    if not (np.all(inverse > 0) and np.all(np.isfinite(inverse))):
        raise stream.error("an inverse variance that is not above 0")
    try:
        return AcousticModel(offsets, weights, means_over / inverse, 1.0 / inverse)
    except WfstAsrError as error:
        raise WfstAsrError(f"{stream.name}: {error}") from error


def _mixture(stream: TokenStream, dim: int) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Read the weights, the means over variances and the inverse variances of one pdf."""
    stream.expect("<DiagGMM>", "<DiagGMMBegin>")
    if stream.expect("<GCONSTS>", "<WEIGHTS>") == "<GCONSTS>":
        stream.real_vector()  # computed from the rest
        stream.expect("<WEIGHTS>")
    weights = stream.real_vector()
    stream.expect("<MEANS_INVVARS>")
    means = stream.real_matrix()
    stream.expect("<INV_VARS>")
    inverse = stream.real_matrix()
    stream.expect("</DiagGMM>", "<DiagGMMEnd>")
    if not len(weights) or means.shape != (len(weights), dim) or inverse.shape != means.shape:
        raise stream.error(
            f"a pdf of {len(weights)} weights, {means.shape} means and {inverse.shape} variances of {dim} dimensions"
        )
    return weights, means, inverse


def _put_acoustic_model(model: AcousticModel, writer: TokenWriter) -> None:
    weights = model.weights.astype(np.float32)
    inverse = (1.0 / model.variances).astype(np.float32)
    means = (model.means / model.variances).astype(np.float32)
    constants = _constants(weights, means, inverse)
    writer.token("<DIMENSION>")
    writer.integer(model.dim)
    writer.token("<NUMPDFS>")
    writer.integer(model.num_pdfs)
    for pdf in range(model.num_pdfs):
        own = slice(int(model.offsets[pdf]), int(model.offsets[pdf + 1]))
        writer.token("<DiagGMM>")
        writer.line_end()
        writer.token("<GCONSTS>")
        writer.real_vector(constants[own])
        writer.token("<WEIGHTS>")
        writer.real_vector(weights[own])
        writer.token("<MEANS_INVVARS>")
        writer.real_matrix(means[own])
        writer.token("<INV_VARS>")
        writer.real_matrix(inverse[own])
        writer.token("</DiagGMM>")
        writer.line_end()


def _constants(
    weights: NDArray[np.float32], means: NDArray[np.float32], inverse: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return log w N(0) of each Gaussian, summed in single precision in Kaldi's order (`DiagGmm::ComputeGconsts`)."""
    with np.errstate(divide="ignore"):
        log_weights = np.log(weights.astype(np.float64)).astype(np.float32)
    total = log_weights + np.float32(-_HALF_LOG_2PI * means.shape[1])
    squares = means.astype(np.float64) ** 2 / inverse
    logs = np.log(inverse.astype(np.float64)).astype(np.float32).astype(np.float64)
    for d in range(means.shape[1]):
        total = (total + (0.5 * logs[:, d] - 0.5 * squares[:, d])).astype(np.float32)
    return total.astype(np.float32)
