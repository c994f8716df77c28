"""OnlineDecoder: words while the scores arrive, cut into utterances where somebody stops talking.

Whatever chunks the scores come in, the same frames end the utterances and the same words are found: endpoints are
looked for after every so many frames of an utterance, not of a chunk.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfst_asr.decoder.acoustic_scores import check_scores
from wfst_asr.decoder.beam import BeamSearch
from wfst_asr.decoder.decode import DecodeResult, result_of_path
from wfst_asr.decoder.endpoint import Endpoint, EndpointOptions, find_endpoint, silence_labels
from wfst_asr.decoder.growing_path import GrowingPath
from wfst_asr.decoder.lattice_beam import raw_lattice
from wfst_asr.decoder.options import DecodeOptions
from wfst_asr.decoder.partial_times import PartialTimes
from wfst_asr.decoder.search_graph import SearchGraph
from wfst_asr.decoder.word_times import WordTime
from wfst_asr.errors import WfstAsrError
from wfst_asr.lattice.compact_lattice import CompactLattice
from wfst_asr.lattice.confidence import Calibration, word_confidences
from wfst_asr.lattice.determinize import determinize
from wfst_asr.lattice.lattice import prune

CHECK_FRAMES = 10
_SETTLE_FRAMES = 100


@dataclass(frozen=True)
class PartialResult:
    """The words of an utterance so far: the best path, whether or not it may end where it stands.

    Attributes:
        words: the words.
        num_stable: how many of them, from the first on, can change no more, because every path still alive has them.
        word_times: of each word, in frames and seconds of the stream; the last word may be heard in part.
        times_exact: as in DecodeResult.
        confidences: of each word, from the lattice so far, where they were asked for.
        number: of the utterance, from 0.
        first_frame: where it began in the stream.
        end_frame: up to where it has been decoded.
    """

    words: tuple[str, ...]
    num_stable: int
    word_times: tuple[WordTime, ...]
    times_exact: bool
    confidences: tuple[float, ...] | None
    number: int
    first_frame: int
    end_frame: int

    @property
    def text(self) -> str:
        """The words with spaces between."""
        return " ".join(self.words)


@dataclass(frozen=True)
class Utterance:
    """An utterance that has ended.

    Attributes:
        result: as `decode` gives it for the utterance's frames, without costs by frame; its confidences are these.
        endpoint: the rule that ended it; None at the end of the stream.
        word_times: of each word, in frames and seconds of the stream.
        confidences: of each word, where they were asked for.
        lattice: its words, where lattices were asked for.
        number: from 0.
        first_frame: where it began in the stream.
        end_frame: the frame after its last.
        frame_shift_s: seconds a frame.
    """

    result: DecodeResult
    endpoint: Endpoint | None
    word_times: tuple[WordTime, ...]
    confidences: tuple[float, ...] | None
    lattice: CompactLattice | None
    number: int
    first_frame: int
    end_frame: int
    frame_shift_s: float

    @property
    def words(self) -> tuple[str, ...]:
        """The words."""
        return self.result.words

    @property
    def text(self) -> str:
        """The words with spaces between."""
        return self.result.text

    @property
    def start_s(self) -> float:
        """Where it begins in the stream, in seconds."""
        return round(self.first_frame * self.frame_shift_s, 6)

    @property
    def end_s(self) -> float:
        """Where it ends in the stream, in seconds."""
        return round(self.end_frame * self.frame_shift_s, 6)


class OnlineDecoder:
    """A decoder of a stream of scores.

    It keeps the utterance under way and nothing of those before.  Of that it keeps the living tokens and the best path;
    with confidences or lattices also the scores and the lattice so far, so that rule 5 of the endpoints, which bounds
    the length of an utterance, bounds memory then.

    >>> from wfst_asr.decoder.search_graph import make_search_graph
    >>> from wfst_asr.fst.arcs import arc_table
    >>> loop = arc_table(1, [(0, 0, 1, 1, 0.5), (0, 0, 2, 2, 1.0)], finals={0: 0.0})
    >>> decoder = OnlineDecoder(make_search_graph(loop, [-1, 0, 1], words=["<eps>", "yes", "no"]))
    >>> decoder.accept([[-1.0, -9.0], [-9.0, -1.0]])
    ()
    >>> decoder.partial().words, decoder.partial().num_stable
    (('yes', 'no'), 2)
    >>> decoder.finish().result.total_cost
    3.5
    """

    def __init__(
        self,
        graph: SearchGraph,
        options: DecodeOptions | None = None,
        *,
        endpoint: EndpointOptions | None = None,
        confidence: bool = False,
        calibration: Calibration | None = None,
        lattices: bool = False,
        check_frames: int = CHECK_FRAMES,
    ) -> None:
        """Begin with the first utterance of a stream.

        Args:
            graph: to search.
            options: dials of the search.
            endpoint: rules that end utterances; None for one utterance to the end of the stream.
            confidence: give confidences of words.
            calibration: of the confidences, see `lattice.confidence.word_confidences`.
            lattices: give the lattice of each utterance.
            check_frames: endpoints are looked for after every so many frames of an utterance.

        Raises:
            WfstAsrError: with `endpoint`, a graph that does not tell which of its labels are silence.
        """
        if check_frames < 1:
            raise WfstAsrError(f"check_frames {check_frames}, expected at least 1; usual is {CHECK_FRAMES}")
        self.graph = graph
        self.options = options or DecodeOptions()
        self.endpoint = endpoint
        self._silence = silence_labels(graph, endpoint.silence_phones) if endpoint else None
        self._confidence = confidence
        self._calibration = calibration
        self._lattices = lattices
        self._every = check_frames
        self._number = 0
        self._first_frame = 0
        self._begin()

    def _begin(self) -> None:
        self._search = BeamSearch(self.graph, self.options, keep_lattice=self._confidence or self._lattices)
        self._path = GrowingPath(self._search)
        self._times = PartialTimes(self._path, first_frame=self._first_frame)
        self._scores = np.empty((0, self.graph.num_columns), np.float32)  # grows by doubling

    @property
    def frames(self) -> int:
        """Frames of the stream so far."""
        return self._first_frame + self._search.frames

    def accept(self, scores: Any) -> tuple[Utterance, ...]:
        """Search through the next frames of the stream and return the utterances that ended in them.

        Args:
            scores: (T, P) as for `decode`, T any number.

        Raises:
            WfstAsrError: scores that are not in order; NoPathError where no path goes through a frame.  The decoder is
                of no more use then.
        """
        names = self.graph.manifest.column_names if self.graph.manifest else ""
        checked = check_scores(scores, self.graph.num_columns, column_names=names, first_frame=self.frames)
        ended = []
        at = 0
        while at < len(checked):
            stop = at + self._every - self._search.frames % self._every
            part = checked[at:stop]
            at = stop
            self._search.advance_checked(part)
            if self._confidence or self._lattices:
                self._keep(part)
            if self._search.frames % self._every:
                continue
            if self._search.frames - self._path.num_frames > _SETTLE_FRAMES:
                self._path.settle()
            decision = self._find_endpoint()
            if decision is not None:
                ended.append(self._end(decision))
        return tuple(ended)

    def partial(self, *, confidence: bool | None = None) -> PartialResult:
        """Return the words of the utterance under way, without confidences where `confidence` is False.

        The time does not grow with the utterance, but for that of confidences, which are of the lattice so far.
        """
        path = self._path
        path.settle()
        rest = path.rest()
        times, exact = self._times.words(rest)
        ids = (*path.word_ids, *rest.word_ids)
        confidences = None
        if self._confidence and confidence is not False:
            confidences = self._confidences(self._lattice(end_anywhere=True), ids) if ids else ()
        return PartialResult(
            words=tuple(time.word for time in times),
            num_stable=len(path.word_ids),
            word_times=times,
            times_exact=exact,
            confidences=confidences,
            number=self._number,
            first_frame=self._first_frame,
            end_frame=self.frames,
        )

    def finish(self) -> Utterance | None:
        """End the utterance under way and return it, or None if it has no frames; another begins."""
        return self._end(None) if self._search.frames else None

    def _find_endpoint(self) -> Endpoint | None:
        if self.endpoint is None or self._silence is None:
            return None
        return find_endpoint(
            self.endpoint,
            num_frames=self._search.frames,
            trailing_silence_frames=self._path.trailing(self._silence),
            relative_cost=self._search.relative_cost,
            frame_shift_s=self.graph.frame_shift_s,
        )

    def _end(self, decision: Endpoint | None) -> Utterance:
        result = result_of_path(self.graph, self._search.finish(), None, self._search)
        confidences: tuple[float, ...] | None = None
        lattice: CompactLattice | None = None
        if self._confidence or self._lattices:
            made = self._lattice(end_anywhere=False)
            lattice = made if self._lattices else None
            confidences = self._confidences(made, result.word_ids) if self._confidence else None
            result = replace(result, confidences=confidences)
        first, end, shift = self._first_frame, self.frames, self.graph.frame_shift_s
        times = tuple(
            replace(
                time,
                start_frame=time.start_frame + first,
                end_frame=time.end_frame + first,
                start_s=round((time.start_frame + first) * shift, 6),
                end_s=round((time.end_frame + first) * shift, 6),
            )
            for time in result.word_times
        )
        ended = Utterance(
            result=result,
            endpoint=decision,
            word_times=times,
            confidences=confidences,
            lattice=lattice,
            number=self._number,
            first_frame=first,
            end_frame=end,
            frame_shift_s=shift,
        )
        self._search.tell_limits(stacklevel=4)
        self._search.release()
        self._number += 1
        self._first_frame = end
        self._begin()
        return ended

    def _keep(self, scores: NDArray[np.float32]) -> None:
        end = self._search.frames
        if end > len(self._scores):
            larger = np.empty((max(2 * len(self._scores), end, 256), self.graph.num_columns), np.float32)
            larger[: len(self._scores)] = self._scores
            self._scores = larger
        self._scores[end - len(scores) : end] = scores

    def _lattice(self, *, end_anywhere: bool) -> CompactLattice:
        raw = raw_lattice(self._search, self._scores[: self._search.frames], end_anywhere=end_anywhere)
        return determinize(prune(raw, self.options.lattice_beam))

    def _confidences(self, lattice: CompactLattice, word_ids: Sequence[int]) -> tuple[float, ...]:
        return tuple(word_confidences(lattice, word_ids, calibration=self._calibration).tolist())
