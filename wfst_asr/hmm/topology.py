"""HMM topologies: which states a phone's HMM has, which arcs join them, and which pdf-class each state has."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from wfst_asr.atomic_files import written_aside
from wfst_asr.errors import WfstAsrError

NO_PDF = -1


@dataclass(frozen=True)
class HmmState:
    """One state of a phone's HMM.

    Attributes:
        forward_pdf_class: 0-based pdf-class of the arcs that leave the state; NO_PDF if the state emits nothing.
        self_loop_pdf_class: pdf-class of its self-loop; the same as the forward one in ordinary HMMs.
        transitions: (next state, probability) in the order that numbers the transition-ids.
    """

    forward_pdf_class: int = NO_PDF
    self_loop_pdf_class: int = NO_PDF
    transitions: tuple[tuple[int, float], ...] = ()


TopologyEntry = tuple[HmmState, ...]


@dataclass(frozen=True)
class HmmTopology:
    """The topology of every phone (Kaldi `hmm-topology.h`).

    The last state of an entry is final: it emits nothing and has no transitions.

    Attributes:
        entries: the distinct topologies.
        entry_of_phone: index into `entries` by phone id (1-based ids).

    Raises:
        WfstAsrError: a state out of range, a probability outside (0, 1], pdf-classes with gaps, an unreachable state.

    >>> topology = HmmTopology((left_to_right(3),), {1: 0, 2: 0})
    >>> topology.num_pdf_classes(2), [len(state.transitions) for state in topology.states(2)]
    (3, [2, 2, 2, 0])
    """

    entries: tuple[TopologyEntry, ...]
    entry_of_phone: Mapping[int, int]

    def __post_init__(self) -> None:
        if not self.entry_of_phone:
            raise WfstAsrError("topology: no phones; give at least one <TopologyEntry> with <ForPhones>")
        for index, entry in enumerate(self.entries):
            _check_entry(entry, index)
        for phone, index in self.entry_of_phone.items():
            if phone < 1 or not 0 <= index < len(self.entries):
                raise WfstAsrError(f"topology: phone {phone} has no entry; phone ids start at 1")

    @property
    def phones(self) -> tuple[int, ...]:
        """Phone ids, sorted."""
        return tuple(sorted(self.entry_of_phone))

    def states(self, phone: int) -> TopologyEntry:
        """Return the states of a phone's HMM.

        Raises:
            WfstAsrError: the topology does not cover this phone.
        """
        if phone not in self.entry_of_phone:
            raise WfstAsrError(
                f"phone {phone} has no HMM topology; add it to <ForPhones> in the topo file, "
                "or take the phones.txt that the model was trained with"
            )
        return self.entries[self.entry_of_phone[phone]]

    def num_pdf_classes(self, phone: int) -> int:
        """Return the number of pdf-classes of a phone's HMM."""
        states = self.states(phone)
        return 1 + max(max(state.forward_pdf_class, state.self_loop_pdf_class) for state in states)


def left_to_right(num_states: int, *, self_loop_prob: float = 0.75, skip_prob: float = 0.0) -> TopologyEntry:
    """Return the Bakis topology: each emitting state loops or moves on, with `skip_prob` over the next one.

    Raises:
        WfstAsrError: no state, or probabilities that leave nothing for the step to the next state.

    >>> left_to_right(1)[0].transitions
    ((0, 0.75), (1, 0.25))
    >>> [dest for dest, _ in left_to_right(3, skip_prob=0.1)[0].transitions]
    [0, 1, 2]
    """
    if num_states < 1:
        raise WfstAsrError(f"left-to-right topology: {num_states} states, expected at least 1")
    if not (0.0 < self_loop_prob < 1.0 and 0.0 <= skip_prob < 1.0 - self_loop_prob):
        raise WfstAsrError(
            f"left-to-right topology: self-loop {self_loop_prob:g} and skip {skip_prob:g} leave no probability for the "
            f"next state; expected a skip of at least 0 and below {1.0 - self_loop_prob:g}"
        )
    states = []
    for state in range(num_states):
        skip = skip_prob if state + 2 <= num_states else 0.0
        arcs = [(state, self_loop_prob), (state + 1, 1.0 - self_loop_prob - skip)]
        if skip > 0.0:
            arcs.append((state + 2, skip))
        states.append(HmmState(state, state, tuple(arcs)))
    return (*states, HmmState())


def silence_topology(num_states: int = 5, *, last_self_loop_prob: float = 0.75) -> TopologyEntry:
    """Return Kaldi's silence topology: the inner states are all joined, so that silence may be short or long.

    >>> [len(state.transitions) for state in silence_topology()]
    [4, 4, 4, 4, 2, 0]
    """
    if num_states < 3:
        raise WfstAsrError(f"silence topology: {num_states} states, expected at least 3; use left_to_right instead")
    prob = 1.0 / (num_states - 1)
    first = HmmState(0, 0, tuple((dest, prob) for dest in range(num_states - 1)))
    inner = [
        HmmState(state, state, tuple((dest, prob) for dest in range(1, num_states)))
        for state in range(1, num_states - 1)
    ]
    last_arcs = ((num_states - 1, last_self_loop_prob), (num_states, 1.0 - last_self_loop_prob))
    return (first, *inner, HmmState(num_states - 1, num_states - 1, last_arcs), HmmState())


def kaldi_topology(
    nonsilence: Iterable[int],
    silence: Iterable[int],
    *,
    num_states: int = 3,
    num_silence_states: int = 5,
    skip_prob: float = 0.0,
    states_of_phone: Mapping[int, int] | None = None,
) -> HmmTopology:
    """Return what Kaldi's `gen_topo.pl` writes: left-to-right for words' phones, joined states for silence.

    Args:
        nonsilence: ids of the phones of speech.
        silence: ids of the phones of silence and noise.
        num_states: states of a phone of speech.
        num_silence_states: states of a phone of silence; with 1 or 2 it is left-to-right.
        skip_prob: probability of passing over the next state, in phones of speech.
        states_of_phone: numbers of states of phones that are to have others than these.

    Raises:
        WfstAsrError: a number of states below 1, or a `skip_prob` that is too large.

    >>> kaldi_topology([2, 3], [1]).num_pdf_classes(1)
    5
    >>> kaldi_topology([3], [1, 2], states_of_phone={2: 1}).states(2)[0].transitions
    ((0, 0.75), (1, 0.25))
    """
    own = states_of_phone or {}
    numbering: dict[TopologyEntry, int] = {}
    entry_of_phone = {}
    for phones, is_silence, usual in ((nonsilence, False, num_states), (silence, True, num_silence_states)):
        for phone in phones:
            count = own.get(phone, usual)
            joined = is_silence and count >= 3
            skip = 0.0 if is_silence else skip_prob
            entry = silence_topology(count) if joined else left_to_right(count, skip_prob=skip)
            entry_of_phone[phone] = numbering.setdefault(entry, len(numbering))
    return HmmTopology(tuple(numbering), entry_of_phone)


def read_topology(
    path: str | os.PathLike[str], *, phone_ids: Callable[[str], Iterable[int]] | None = None
) -> HmmTopology:
    """Read a text `topo` file of Kaldi.

    Args:
        path: the file.
        phone_ids: the ids that a word between `<ForPhones>` and `</ForPhones>` stands for; None: it is an id.

    Raises:
        WfstAsrError: no such file, or text that is not a topology.
    """
    name = Path(path)
    try:
        text = name.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise WfstAsrError(f"{name}: cannot be read as text ({error}); expected a Kaldi topo file") from error
    try:
        return parse_topology(text.split(), phone_ids=phone_ids)
    except WfstAsrError as error:
        raise WfstAsrError(f"{name}: {error}") from error


def write_topology(topology: HmmTopology, path: str | os.PathLike[str]) -> None:
    """Write a text `topo` file of Kaldi (written aside, then renamed)."""
    with written_aside(path) as aside:
        aside.write_text(format_topology(topology), encoding="utf-8")


def format_topology(topology: HmmTopology) -> str:
    """Return the topology as the text of a Kaldi `topo` file.

    >>> print(format_topology(HmmTopology((left_to_right(1),), {4: 0})), end="")
    <Topology>
    <TopologyEntry>
    <ForPhones>
    4
    </ForPhones>
    <State> 0 <PdfClass> 0 <Transition> 0 0.75 <Transition> 1 0.25 </State>
    <State> 1 </State>
    </TopologyEntry>
    </Topology>
    """
    lines = ["<Topology>"]
    for index, entry in enumerate(topology.entries):
        phones = " ".join(str(phone) for phone in topology.phones if topology.entry_of_phone[phone] == index)
        lines += ["<TopologyEntry>", "<ForPhones>", phones, "</ForPhones>"]
        for number, state in enumerate(entry):
            words = ["<State>", str(number)]
            if state.forward_pdf_class != state.self_loop_pdf_class:
                words += ["<ForwardPdfClass>", str(state.forward_pdf_class)]
                words += ["<SelfLoopPdfClass>", str(state.self_loop_pdf_class)]
            elif state.forward_pdf_class != NO_PDF:
                words += ["<PdfClass>", str(state.forward_pdf_class)]
            for dest, prob in state.transitions:
                words += ["<Transition>", str(dest), f"{prob:.7g}"]
            lines.append(" ".join([*words, "</State>"]))
        lines.append("</TopologyEntry>")
    return "\n".join([*lines, "</Topology>"]) + "\n"


def parse_topology(tokens: Sequence[str], *, phone_ids: Callable[[str], Iterable[int]] | None = None) -> HmmTopology:
    """Parse the tokens of a text topology, from `<Topology>` to `</Topology>`; `phone_ids` as in `read_topology`.

    Raises:
        WfstAsrError: another token than expected, or a number that is none.
    """
    at = 0

    def take(*expected: str) -> str:
        nonlocal at
        token = tokens[at] if at < len(tokens) else "end of file"
        if expected and token not in expected:
            raise WfstAsrError(f"'{token}' where {' or '.join(expected)} was expected; is this a topo file?")
        at += 1
        return token

    def number(kind: type[int] | type[float]) -> float:
        token = take()
        try:
            return kind(token)
        except ValueError as error:
            raise WfstAsrError(f"'{token}' where a number was expected; is this a topo file?") from error

    entries: list[TopologyEntry] = []
    entry_of_phone: dict[int, int] = {}
    take("<Topology>")
    while take("<TopologyEntry>", "</Topology>") == "<TopologyEntry>":
        take("<ForPhones>")
        while at < len(tokens) and tokens[at] != "</ForPhones>":
            for phone in phone_ids(take()) if phone_ids else (int(number(int)),):
                if phone in entry_of_phone:
                    raise WfstAsrError(f"phone {phone} has two topologies; keep one")
                entry_of_phone[phone] = len(entries)
        take("</ForPhones>")
        states: list[HmmState] = []
        while take("<State>", "</TopologyEntry>") == "<State>":
            if int(number(int)) != len(states):
                raise WfstAsrError(f"states are not in order; expected state {len(states)}")
            forward = loop = NO_PDF
            arcs: list[tuple[int, float]] = []
            expected = ("<PdfClass>", "<ForwardPdfClass>", "<SelfLoopPdfClass>", "<Transition>", "</State>")
            while (token := take(*expected)) != "</State>":
                if token == "<Transition>":
                    arcs.append((int(number(int)), float(number(float))))
                    continue
                value = int(number(int))
                forward = value if token != "<SelfLoopPdfClass>" else forward
                loop = value if token != "<ForwardPdfClass>" else loop
            states.append(HmmState(forward, loop, tuple(arcs)))
        entries.append(tuple(states))
    return HmmTopology(tuple(entries), entry_of_phone)


def _check_entry(entry: TopologyEntry, index: int) -> None:
    where = f"topology entry {index}"
    if len(entry) < 2 or entry[-1] != HmmState():
        raise WfstAsrError(f"{where}: expected at least one emitting state, then a final state without pdf or arcs")
    classes = {state.forward_pdf_class for state in entry} | {state.self_loop_pdf_class for state in entry}
    if sorted(classes - {NO_PDF}) != list(range(len(classes - {NO_PDF}))) or classes == {NO_PDF}:
        raise WfstAsrError(f"{where}: pdf-classes {sorted(classes - {NO_PDF})}, expected 0, 1, 2 ... without gaps")
    entered = {dest for number, state in enumerate(entry) for dest, _ in state.transitions if dest != number}
    for number, state in enumerate(entry):
        dests = [dest for dest, _ in state.transitions]
        if len(set(dests)) != len(dests) or any(not 0 <= dest < len(entry) for dest in dests):
            raise WfstAsrError(f"{where}: state {number} has arcs to {dests}, expected distinct states of the entry")
        if any(not 0.0 < prob <= 1.0 for _, prob in state.transitions):
            raise WfstAsrError(f"{where}: state {number} has a probability outside (0, 1]; remove that arc")
        if state.forward_pdf_class == NO_PDF and (number in dests or len(entry) - 1 in dests):
            raise WfstAsrError(f"{where}: state {number} emits nothing, so it may not loop or end the phone")
        if number + 1 < len(entry) and not any(dest != number for dest in dests):
            raise WfstAsrError(f"{where}: state {number} has no arc to another state")
        if number > 0 and number not in entered:
            raise WfstAsrError(f"{where}: no arc enters state {number}; remove the state")
