"""The CTC network of English phones that the pip package hama ships (Apache-2.0), and its way of pronouncing words.

The network was taught with pronunciations that the package's own grapheme-to-phoneme model made, and writes what that
model would: "of" as `ɔ f`, "one" as `o n e`.  So the pronunciations of a lexicon for it must come from there too.

The files are read by onnxruntime without importing the package, whose model classes would use every core.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfst_asr.ctc.tokens import CtcTokens
from wfst_asr.errors import WfstAsrError

SAMPLE_RATE_HZ = 16000
FRAME_SAMPLES = 320
BOUNDARY, BLANK = "<wb>", "<blank>"
ACOUSTIC_NAME, VOCABULARY_NAME = "asr_waveform_fp16.onnx", "g2p_vocab.json"
ENCODER_NAME, DECODER_NAME = "encoder.onnx", "decoder_step.onnx"
ASSET_NAMES = (ACOUSTIC_NAME, VOCABULARY_NAME, ENCODER_NAME, DECODER_NAME)

_MOST_FRAMES = 1500  # the network leaves out, without a word, what comes after 30 s
_MARGIN_FRAMES = 100  # heard on either side of a piece of a longer recording, and not used
_FEWEST_SAMPLES = 400  # a window of the network's spectrogram
_QUIET, _USUAL = 0.1, 0.5  # peaks below the first are raised to the second, about what the network was taught with
_MOST_PHONES = 32  # as the package itself


def hama_assets() -> Path:
    """Return the folder of the package's models, found without importing it.

    Raises:
        WfstAsrError: the package is not installed, or a version without these files.
    """
    spec = find_spec("hama")
    if spec is None or spec.origin is None:
        raise WfstAsrError("the network is not installed; install it with: pip install 'wfst-asr[english-ctc]'")
    folder = Path(spec.origin).parent / "assets"
    for name in ASSET_NAMES:
        if not (folder / name).is_file():
            raise WfstAsrError(f"{folder / name}: no such file; expected hama 1.3: pip install 'wfst-asr[english-ctc]'")
    return folder


def _session(path: Path) -> Any:
    """Load a model for one thread that does not wait busily."""
    try:
        import onnxruntime
    except ImportError as error:
        raise WfstAsrError(
            "onnxruntime is not installed; install it with: pip install 'wfst-asr[english-ctc]'"
        ) from error

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own exceptions have no common class
        raise WfstAsrError(f"{path}: cannot be loaded ({error}); reinstall the package hama") from error


def _vocabulary(folder: Path) -> Mapping[str, list[str]]:
    import json

    try:
        vocabulary: dict[str, list[str]] = json.loads((folder / VOCABULARY_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WfstAsrError(f"{folder / VOCABULARY_NAME}: cannot be read ({error}); reinstall hama") from error
    return vocabulary


@dataclass(frozen=True)
class HamaNetwork:
    """The acoustic network.

    Attributes:
        folder: where its files lie.
        tokens: phones of many languages, a word boundary and the blank, by column.
    """

    folder: Path
    tokens: CtcTokens

    @property
    def frame_shift_s(self) -> float:
        """Seconds from one row of scores to the next."""
        return FRAME_SAMPLES / SAMPLE_RATE_HZ

    @cached_property
    def _network(self) -> Any:
        return _session(self.folder / ACOUSTIC_NAME)

    def log_probs(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Score a recording.

        What is longer than 30 s is heard in pieces that overlap by four seconds; a quiet recording is made louder.

        Args:
            samples: (N,) in 16-bit scale at 16 kHz.

        Returns:
            (T, V) natural-log probabilities, a row every 20 ms.

        Raises:
            WfstAsrError: the recording is shorter than 25 ms.
        """
        if len(samples) < _FEWEST_SAMPLES:
            raise WfstAsrError(
                f"the recording has {len(samples)} samples, too few for one frame; leave it out or take a longer one"
            )
        sound = np.clip(samples.astype(np.float32) / 32768.0, -1.0, 1.0)
        loudest = float(np.abs(sound).max())
        if 0.0 < loudest < _QUIET:
            sound *= np.float32(_USUAL / loudest)
        num_frames = len(sound) // FRAME_SAMPLES + 1
        rows = np.empty((num_frames, self.tokens.num_columns), dtype=np.float32)
        for begin, first, end in pieces(num_frames):
            last = min(first + _MOST_FRAMES, num_frames)
            piece = sound[first * FRAME_SAMPLES : last * FRAME_SAMPLES]
            rows[begin:end] = self._heard(piece)[begin - first : end - first]
        return rows

    def _heard(self, sound: NDArray[np.float32]) -> NDArray[np.float32]:
        lengths = np.array([len(sound)], dtype=np.int64)
        (found,) = self._network.run(["log_probs"], {"waveform": sound[None], "waveform_lengths": lengths})
        result: NDArray[np.float32] = found[0]
        return result


def pieces(num_frames: int) -> list[tuple[int, int, int]]:
    """Cut frames into pieces that the network hears whole: (first frame to take, first frame to hear, end).

    >>> pieces(1500), pieces(1600)
    ([(0, 0, 1500)], [(0, 0, 1400), (1400, 1300, 1600)])
    """
    if num_frames <= _MOST_FRAMES:
        return [(0, 0, num_frames)]
    found = []
    begin = 0
    while begin < num_frames:
        first = max(begin - _MARGIN_FRAMES, 0)
        end = num_frames if first + _MOST_FRAMES >= num_frames else first + _MOST_FRAMES - _MARGIN_FRAMES
        found.append((begin, first, end))
        begin = end
    return found


def load_hama_network() -> HamaNetwork:
    """Find the network; its weights are loaded when it first hears something.

    Raises:
        WfstAsrError: the package is missing, or of another version.
    """
    folder = hama_assets()
    spoken = (name if name.strip() else "<gap>" for name in _vocabulary(folder)["decoder"])  # symbols have no spaces
    names = (*spoken, BOUNDARY, BLANK)
    return HamaNetwork(folder, CtcTokens(names, len(names) - 1))


def hama_pronunciations(
    words: Iterable[str], *, batch_size: int = 256, report: Callable[[int], None] | None = None
) -> dict[str, tuple[str, ...]]:
    """Pronounce words as the network writes them.

    Words of equal length go through the package's encoder together, and through its decoder until each is at its end.

    Args:
        words: in any order.
        batch_size: words at a time.
        report: called with the number of words that are done.

    Returns:
        The tokens of each word; words that the model has nothing for are not in it.

    Raises:
        WfstAsrError: the package is missing, or of another version.
    """
    folder = hama_assets()
    vocabulary = _vocabulary(folder)
    letter_of = {letter: number for number, letter in enumerate(vocabulary["encoder"])}
    phones = vocabulary["decoder"]
    encoder, decoder = _session(folder / ENCODER_NAME), _session(folder / DECODER_NAME)
    by_length: dict[int, list[str]] = {}
    for word in dict.fromkeys(words):
        by_length.setdefault(len(word.lower()), []).append(word)
    by_length.pop(0, None)
    found: dict[str, tuple[str, ...]] = {}
    done = 0
    for _, alike in sorted(by_length.items()):
        for at in range(0, len(alike), batch_size):
            batch = alike[at : at + batch_size]
            letters = np.array(
                [[letter_of.get(letter, letter_of["<unk>"]) for letter in word.lower()] for word in batch], np.int64
            )
            for word, row in zip(batch, _decoded(encoder, decoder, letters, phones), strict=True):
                if row:
                    found[word] = row
            done += len(batch)
            if report:
                report(done)
    return found


def _decoded(encoder: Any, decoder: Any, letters: NDArray[np.int64], phones: list[str]) -> list[tuple[str, ...]]:
    """Decode words of one length greedily; those at their end leave the batch."""
    count, length = letters.shape
    start, end, none = phones.index("<sos>"), phones.index("<eos>"), {phones.index("<pad>"), phones.index("<sos>")}
    state: dict[str, NDArray[Any]] = dict(
        zip(
            ("encoder_outputs", "projected_keys", "hidden", "encoder_mask", "prev_attn"),
            encoder.run(
                ["encoder_outputs", "projected_keys", "hidden", "encoder_mask", "prev_attn"],
                {"input_ids": letters, "input_lengths": np.full(count, length, dtype=np.int64)},
            ),
            strict=True,
        )
    )
    written: list[list[int]] = [[] for _ in range(count)]
    live = np.arange(count)
    last = np.full(count, start, dtype=np.int64)
    for _ in range(_MOST_PHONES):
        positions = np.tile(np.arange(length, dtype=np.float32), (len(live), 1))
        feeds = {**state, "decoder_input_ids": last[:, None], "positions": positions}
        tokens, hidden, attention = decoder.run(["next_token_ids", "hidden_out", "prev_attn_out"], feeds)
        last = np.asarray(tokens).reshape(-1).astype(np.int64)
        for word, token in zip(live.tolist(), last.tolist(), strict=True):
            written[word].append(token)
        going = last != end
        if not going.any():
            break
        live, last = live[going], last[going]
        state = {name: rows[going] for name, rows in state.items() if name != "hidden"}
        state["hidden"] = np.ascontiguousarray(hidden[:, going])
        state["prev_attn"] = attention[going]
    spoken = ([phones[token] for token in row if token != end and token not in none] for row in written)
    return [tuple(phone for phone in row if phone.strip()) for row in spoken]
