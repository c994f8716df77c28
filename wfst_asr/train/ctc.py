"""A recurrent network of letters, trained with CTC on recordings and what was said in them, no lexicon needed.

Tokens are the letters of the transcripts, "<blank>" in column 0 and, last, the boundary that stands between words.
Graves et al. 2006, "Connectionist temporal classification".
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.features.network_features import NetworkFeatures
from wfst_asr.neural.options import AugmentOptions, FitOptions, RecurrentOptions

if TYPE_CHECKING:
    from wfst_asr.neural.ctc_task import CtcExample
    from wfst_asr.neural.networks import RecurrentNetwork

BLANK = "<blank>"
Figures = dict[str, float]


@dataclass(frozen=True)
class CtcOptions:
    """Options of `train_ctc_network`.

    Attributes:
        features: what the network hears; its sample rate is the recordings'.
        network: sizes; the numbers of features and tokens are filled in.
        augment: how training utterances are varied.
        fit: the training.
        boundary: token between words; empty: none, words run into one another.
        tokens: letters, without blank and boundary; None: those of the transcripts.
    """

    features: NetworkFeatures = field(default_factory=NetworkFeatures)
    network: RecurrentOptions = field(default_factory=RecurrentOptions)
    augment: AugmentOptions = field(default_factory=AugmentOptions)
    fit: FitOptions = field(default_factory=FitOptions)
    boundary: str = "|"
    tokens: tuple[str, ...] | None = None


@dataclass(frozen=True)
class SpokenText:
    """An utterance.

    Attributes:
        utterance: its id.
        features: (T, D) float32, of `CtcOptions.features`.
        words: what is said.
    """

    utterance: str
    features: NDArray[np.float32]
    words: tuple[str, ...]


@dataclass(frozen=True)
class TrainedCtc:
    """A trained network and what is to be known about it.

    Attributes:
        network: in evaluation mode.
        tokens: of its columns.
        history: a record an epoch, see `wfst_asr.neural.fit.FitResult`.
        best_epoch: whose weights were kept.
        stopped: why it ended.
        left_out: reasons by utterance.
        utterances: that were trained on.
        seconds: of sound that were trained on.
    """

    network: "RecurrentNetwork"
    tokens: tuple[str, ...]
    history: tuple[Figures, ...]
    best_epoch: int
    stopped: str
    left_out: Mapping[str, str]
    utterances: int
    seconds: float

    @property
    def best(self) -> Figures:
        """The figures of the best epoch."""
        return self.history[self.best_epoch - 1]


def tokens_of(transcripts: Iterable[Sequence[str]], *, boundary: str = "|") -> tuple[str, ...]:
    """Return the tokens that spell transcripts: blank, the letters in order, the boundary.

    Raises:
        WfstAsrError: a word has the boundary in it, or there is no letter.

    >>> tokens_of([("YES",), ("NO", "YES")])
    ('<blank>', 'E', 'N', 'O', 'S', 'Y', '|')
    """
    letters = sorted({letter for words in transcripts for word in words for letter in word})
    if not letters:
        raise WfstAsrError("the transcripts have no words; expected 'utterance-id WORDS' lines in text")
    if boundary in letters:
        raise WfstAsrError(f"the boundary '{boundary}' between words is a letter of the transcripts; choose another")
    return (BLANK, *letters, *((boundary,) if boundary else ()))


def labels_of(words: Sequence[str], tokens: Sequence[str], *, boundary: str = "|") -> tuple[int, ...]:
    """Spell words in tokens of one letter, the boundary between them.

    Raises:
        WfstAsrError: a letter is no token.

    >>> labels_of(("NO", "YES"), ("<blank>", "E", "N", "O", "S", "Y", "|"))
    (2, 3, 6, 5, 1, 4)
    """
    columns = {token: column for column, token in enumerate(tokens)}
    labels: list[int] = []
    for number, word in enumerate(words):
        if number and boundary:
            labels.append(columns[boundary])
        for letter in word:
            if letter not in columns:
                raise WfstAsrError(f"'{letter}' of the word '{word}' is no token")
            labels.append(columns[letter])
    return tuple(labels)


def train_ctc_network(
    train: Sequence[SpokenText],
    valid: Sequence[SpokenText],
    options: CtcOptions | None = None,
    *,
    checkpoint: Path | None = None,
    progress: Callable[[str, int, int], None] | None = None,
    on_epoch: Callable[[Sequence[Figures]], None] | None = None,
) -> TrainedCtc:
    """Train a network.

    Utterances that have no words, a letter that is no token, or fewer frames than their spelling needs are left out.

    Args:
        train: to train on.
        valid: to choose the best epoch with, other speakers or recordings; their errors are told as they go down.
        options: see CtcOptions.
        checkpoint: file that keeps the training through a kill; not removed here.
        progress: see `fit`.
        on_epoch: see `fit`.

    Raises:
        WfstAsrError: nothing to train on or to validate with.
    """
    from wfst_asr.neural.checkpoint import Checkpoint
    from wfst_asr.neural.ctc_task import ctc_task
    from wfst_asr.neural.fit import fit, seeded
    from wfst_asr.neural.networks import RecurrentNetwork

    options = options or CtcOptions()
    if options.tokens is None:
        tokens = tokens_of((one.words for one in train), boundary=options.boundary)
    else:
        tokens = (BLANK, *options.tokens, *((options.boundary,) if options.boundary else ()))
    sizes = replace(options.network, num_features=options.features.num_features, num_tokens=len(tokens))
    left_out: dict[str, str] = {}
    examples = _examples(train, tokens, options, sizes, left_out)
    held_out = _examples(valid, tokens, options, sizes, left_out)
    if not examples:
        raise WfstAsrError(f"not one of {len(train)} utterances can be trained on; {_first(left_out)}")
    if not held_out:
        raise WfstAsrError(f"not one of {len(valid)} utterances can be validated with; {_first(left_out)}")
    network = seeded(options.fit.seed, lambda: RecurrentNetwork(sizes))
    assert isinstance(network, RecurrentNetwork)
    _set_normalisation(network, examples, centred=sizes.centred)
    task = ctc_task(
        examples,
        held_out,
        subsample=sizes.subsample,
        boundary=len(tokens) - 1 if options.boundary else None,
        augment=options.augment,
        frame_shift_s=options.features.frame_shift_s,
    )
    key = _key(options, tokens, examples, held_out)
    result = fit(
        network, task, options.fit, checkpoint=Checkpoint(checkpoint, key), progress=progress, on_epoch=on_epoch
    )
    return TrainedCtc(
        network,
        tokens,
        tuple(result.history),
        result.best_epoch,
        result.stopped,
        left_out,
        len(examples),
        sum(len(example.features) for example in examples) * options.features.frame_shift_s,
    )


def _examples(
    spoken: Sequence[SpokenText],
    tokens: Sequence[str],
    options: CtcOptions,
    sizes: RecurrentOptions,
    left_out: dict[str, str],
) -> "list[CtcExample]":
    from wfst_asr.neural.ctc_task import CtcExample, frames_needed

    examples = []
    for one in spoken:
        try:
            labels = labels_of(one.words, tokens, boundary=options.boundary)
        except WfstAsrError as error:
            left_out[one.utterance] = str(error)
            continue
        frames = sizes.output_frames(len(one.features))
        if not labels:
            left_out[one.utterance] = "no words"
        elif frames < frames_needed(labels):
            left_out[one.utterance] = f"{frames} frames for a spelling that needs {frames_needed(labels)}"
        else:
            examples.append(CtcExample(one.features, labels))
    return examples


def _first(left_out: Mapping[str, str]) -> str:
    if not left_out:
        return "there are none"
    utterance, reason = next(iter(left_out.items()))
    return f"'{utterance}': {reason}"


def _set_normalisation(network: "RecurrentNetwork", examples: "Sequence[CtcExample]", *, centred: bool) -> None:
    """Store mean and variance of the training features, after each utterance's own mean where it is taken off."""
    import torch

    frames, total, squares = 0, np.zeros(examples[0].features.shape[1]), np.zeros(examples[0].features.shape[1])
    for example in examples:
        values = example.features.astype(np.float64)
        if centred:
            values -= values.mean(axis=0)
        frames += len(values)
        total += values.sum(axis=0)
        squares += (values**2).sum(axis=0)
    mean = total / frames
    network.normalise.set_from(torch.from_numpy(mean).float(), torch.from_numpy(squares / frames - mean**2).float())


def _key(
    options: CtcOptions, tokens: Sequence[str], examples: "Sequence[CtcExample]", valid: "Sequence[CtcExample]"
) -> str:
    """Return what stands for all that the weights depend on; threads and device are not among it."""
    fit = replace(options.fit, threads=1, device="auto", checkpoint_s=0.0, checkpoint_steps=0)
    digest = sha256(repr((replace(options, fit=fit), tokens)).encode())
    for example in (*examples, *valid):
        digest.update(np.ascontiguousarray(example.features).tobytes())
        digest.update(repr(example.labels).encode())
    return digest.hexdigest()
