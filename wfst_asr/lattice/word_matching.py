"""Words of a path matched with its phones, which tells where each word begins and ends."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

from wfst_asr.lattice.phones import PhoneSegment

_Reached = dict[int, tuple[int, tuple[int, int] | None]]  # first phone not used: distance, phones of the last word

_FAR = (1 << 60, None)


def match_words(
    words: Sequence[str],
    segments: Sequence[PhoneSegment],
    pronunciations: Mapping[str, Sequence[Sequence[str]]],
    silences: AbstractSet[str],
    label_frames: Sequence[int],
) -> list[tuple[int, int]] | None:
    """Return (start, end) of each word, or None if the phones are not the words' with silence between them.

    Where several divisions fit, the words lie as near as they can to the frames of their labels.

    >>> phones = [PhoneSegment("SIL", 0, 9), PhoneSegment("AY", 9, 20), PhoneSegment("SIL", 20, 22)]
    >>> match_words(["i"], phones, {"i": [["AY"]]}, {"SIL"}, [9])
    [(9, 20)]
    """
    names = [segment.phone for segment in segments]
    reached: _Reached = {0: (0, None)}
    layers: list[_Reached] = []
    for number in range(len(words) + 1):
        for entry in sorted(reached):
            at = entry  # skip the silences that follow, as far as nothing nearer has come
            while at < len(names) and names[at] in silences and reached[at][0] < reached.get(at + 1, _FAR)[0]:
                reached[at + 1] = reached[at]
                at += 1
        layers.append(reached)
        if number == len(words):
            break
        following: _Reached = {}
        frame = label_frames[number]
        for at, (distance, _) in sorted(reached.items()):
            for variant in pronunciations.get(words[number], ()):
                end = at + len(variant)
                if not variant or names[at:end] != list(variant):
                    continue
                away = max(segments[at].start - frame, frame - segments[end - 1].end, 0)
                if end not in following or distance + away < following[end][0]:
                    following[end] = (distance + away, (at, end))
        reached = following
    spans: list[tuple[int, int]] = []
    at = len(names)
    for layer in reversed(layers):
        if at not in layer:
            return None
        back = layer[at][1]
        if back is None:
            break
        spans.append((segments[back[0]].start, segments[back[1] - 1].end))
        at = back[0]
    return spans[::-1]
