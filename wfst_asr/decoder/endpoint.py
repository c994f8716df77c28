"""Endpoints: rules that tell from silence and costs that somebody has stopped talking, in Kaldi's meaning.

An utterance ends when any of five rules holds.  A rule is made of four conditions, all of which must hold: that there
was speech, that so much silence stands at the end of the best path, that ending there costs so little more than the
best path, and that the utterance is so long.  Kaldi: `online2/online-endpoint.h`.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfst_asr.decoder.search_graph import SearchGraph
from wfst_asr.errors import WfstAsrError


@dataclass(frozen=True)
class EndpointRule:
    """Conditions that must all hold for an endpoint.

    Attributes:
        must_contain_nonsilence: the best path must hold a frame that is not silence.
        min_trailing_silence: seconds of silence at the end of the best path, at least.
        max_relative_cost: what the best path to a final state may cost more than the best path.
        min_utterance_length: seconds since the utterance began, at least.

    Raises:
        WfstAsrError: a number below 0 or not a number.
    """

    must_contain_nonsilence: bool = True
    min_trailing_silence: float = 1.0
    max_relative_cost: float = math.inf
    min_utterance_length: float = 0.0

    def __post_init__(self) -> None:
        for name in ("min_trailing_silence", "max_relative_cost", "min_utterance_length"):
            if not getattr(self, name) >= 0:
                raise WfstAsrError(f"endpoint rule: {name} is {getattr(self, name)}, expected a number of at least 0")


@dataclass(frozen=True)
class EndpointOptions:
    """Rules of which any one ends an utterance; the defaults are Kaldi's.

    A rule is switched off by an infinite `min_utterance_length`.

    Attributes:
        rule1: silence for long, whether or not there was speech.
        rule2: a little silence after speech, where the words may well end.
        rule3: more silence after speech, where the words may end.
        rule4: silence after speech, wherever the words stand.
        rule5: a long utterance, whatever is said; it bounds memory.
        silence_phones: names of the phones that are silence; None takes the graph's.
    """

    rule1: EndpointRule = field(default_factory=lambda: EndpointRule(False, 5.0))
    rule2: EndpointRule = field(default_factory=lambda: EndpointRule(True, 0.5, 2.0))
    rule3: EndpointRule = field(default_factory=lambda: EndpointRule(True, 1.0, 8.0))
    rule4: EndpointRule = field(default_factory=lambda: EndpointRule(True, 2.0))
    rule5: EndpointRule = field(default_factory=lambda: EndpointRule(False, 0.0, math.inf, 20.0))
    silence_phones: tuple[str, ...] | None = None

    @property
    def rules(self) -> tuple[tuple[str, EndpointRule], ...]:
        """Names and rules, in the order in which they are tried."""
        return tuple((one.name, getattr(self, one.name)) for one in fields(self) if one.name.startswith("rule"))


@dataclass(frozen=True)
class Endpoint:
    """Why an utterance was ended.

    Attributes:
        rule: name of the rule that held, "rule1" ... "rule5".
        conditions: that rule.
        trailing_silence_s: silence at the end of the best path.
        utterance_length_s: length of the utterance.
        relative_cost: what the best path to a final state cost more than the best path; infinite if there was none.
    """

    rule: str
    conditions: EndpointRule
    trailing_silence_s: float
    utterance_length_s: float
    relative_cost: float

    @property
    def contains_nonsilence(self) -> bool:
        """Whether the best path held anything but silence."""
        return self.utterance_length_s > self.trailing_silence_s

    @property
    def reason(self) -> str:
        """The decision as a sentence."""
        parts = []
        rule = self.conditions
        silence, length, cost = self.trailing_silence_s, self.utterance_length_s, self.relative_cost
        if rule.min_trailing_silence > 0:
            after = "after speech" if self.contains_nonsilence else "and nothing else"
            parts.append(f"{silence:.2f} s of silence {after} (at least {rule.min_trailing_silence:g} s needed)")
        if math.isfinite(rule.max_relative_cost):
            parts.append(f"ending here costs {cost:.2f} more (at most {rule.max_relative_cost:g} allowed)")
        if rule.min_utterance_length > 0:
            parts.append(f"the utterance is {length:.2f} s long (at least {rule.min_utterance_length:g} s needed)")
        return f"{self.rule}: {', '.join(parts) or 'it asks for nothing'}"


def endpoint_options(settings: Iterable[str]) -> EndpointOptions:
    """Return Kaldi's rules with some numbers changed.

    Args:
        settings: such as "rule2.min_trailing_silence=0.7" or "rule4=off".

    Raises:
        WfstAsrError: a setting of another form.

    >>> endpoint_options(["rule2.min_trailing_silence=0.7"]).rule2.min_trailing_silence
    0.7
    """
    options = EndpointOptions()
    for setting in settings:
        name, _, value = setting.partition("=")
        rule, _, part = name.strip().replace("-", "_").partition(".")
        try:
            if rule not in dict(options.rules):
                raise ValueError
            if (part, value) == ("", "off"):
                changed = EndpointRule(min_utterance_length=math.inf)
            elif part == "must_contain_nonsilence":
                changed = replace(getattr(options, rule), must_contain_nonsilence={"true": True, "false": False}[value])
            elif part in ("min_trailing_silence", "max_relative_cost", "min_utterance_length"):
                changed = replace(getattr(options, rule), **{part: float(value)})
            else:
                raise ValueError
        except (ValueError, KeyError) as error:
            raise WfstAsrError(
                f"endpoint setting '{setting}': expected such as rule2.min_trailing_silence=0.7 or rule4=off; there "
                "are rule1 to rule5 with must_contain_nonsilence, min_trailing_silence, max_relative_cost and "
                "min_utterance_length"
            ) from error
        changes: dict[str, Any] = {rule: changed}
        options = replace(options, **changes)
    return options


def find_endpoint(
    options: EndpointOptions,
    *,
    num_frames: int,
    trailing_silence_frames: int,
    relative_cost: float | Callable[[], float],
    frame_shift_s: float,
) -> Endpoint | None:
    """Return the first rule that holds, or None.

    Args:
        options: the rules.
        num_frames: frames of the utterance so far; without frames no rule holds.
        trailing_silence_frames: how many at the end of the best path are silence.
        relative_cost: of ending here, or a function that finds it, which is called only when it matters.
        frame_shift_s: seconds a frame.

    >>> found = find_endpoint(
    ...     EndpointOptions(), num_frames=300, trailing_silence_frames=62, relative_cost=1.25, frame_shift_s=0.01
    ... )
    >>> found.reason
    'rule2: 0.62 s of silence after speech (at least 0.5 s needed), ending here costs 1.25 more (at most 2 allowed)'
    """
    if num_frames == 0:
        return None
    length, silence = round(num_frames * frame_shift_s, 9), round(trailing_silence_frames * frame_shift_s, 9)
    known = None if callable(relative_cost) else relative_cost

    def cost() -> float:
        nonlocal known
        if known is None:
            assert callable(relative_cost)
            known = relative_cost()
        return known

    for name, rule in options.rules:
        if (
            (trailing_silence_frames < num_frames or not rule.must_contain_nonsilence)
            and silence >= rule.min_trailing_silence
            and length >= rule.min_utterance_length
            and (rule.max_relative_cost == math.inf or cost() <= rule.max_relative_cost)
        ):
            return Endpoint(name, rule, silence, length, cost())
    return None


def silence_labels(graph: SearchGraph, phones: Sequence[str] | None = None) -> NDArray[np.bool_]:
    """Return (L,) which input labels of a graph are of silence.

    Args:
        graph: with input labels and names of phones.
        phones: those that are silence; None takes the manifest's.

    Raises:
        WfstAsrError: the graph does not tell the phones of its labels, there are no silence phones, or one is unknown.
    """
    if graph.input_labels is None or not graph.phones:
        raise WfstAsrError(
            f"{graph.name}: the graph does not tell the phones of its input labels, which endpointing needs; load it "
            "from a folder with input_labels.npy and phones.txt, or switch endpointing off"
        )
    names = tuple(phones) if phones is not None else graph.manifest.silence_phones if graph.manifest else ()
    if not names:
        raise WfstAsrError(
            f"{graph.name}: the graph names no silence phones, which endpointing needs; give them as silence_phones"
        )
    ids = {name: number for number, name in enumerate(graph.phones)}
    unknown = [name for name in names if name not in ids]
    if unknown:
        raise WfstAsrError(f"{graph.name}: silence phone '{unknown[0]}' is not in phones.txt; correct silence_phones")
    found: NDArray[np.bool_] = np.isin(graph.input_labels["phone"], [ids[name] for name in names])
    found[0] = False
    return found
