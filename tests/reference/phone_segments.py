"""Phones of an alignment, and the alignment with another tree, one frame after the other; imports nothing of ours."""

from collections.abc import Callable, Sequence

Visit = tuple[int, int, bool]  # phone, HMM state, whether the transition is a self-loop


def phones_of_frames(frames: Sequence[tuple[int, bool, bool]]) -> tuple[list[int], list[int]]:
    """Return the phones, and for each frame which of them it is of.

    Args:
        frames: (phone, is_self_loop, ends_phone) of every frame, in the order in which the transition that leaves a
            state comes before its self-loops.
    """
    phones: list[int] = []
    segment: list[int] = []
    ended = True
    for phone, is_loop, ends in frames:
        if not is_loop:
            if ended:
                phones.append(phone)
            ended = ends
        segment.append(len(phones) - 1)
    return phones, segment


def window_around(phones: Sequence[int], at: int, width: int, central: int) -> tuple[int, ...]:
    """Return the phones around a place; 0 beyond the ends."""
    places = range(at - central, at - central + width)
    return tuple(phones[place] if 0 <= place < len(phones) else 0 for place in places)


def converted(
    frames: Sequence[tuple[int, int, int]],
    phones: Sequence[int],
    segment: Sequence[int],
    pdf_of: Callable[[tuple[int, ...], int], int],
    transition_id: Callable[[int, int, int, int], int],
) -> list[int]:
    """Return the transition-ids of a model of triphones.

    Args:
        frames: (HMM state, pdf-class, which arc of the state) of every frame.
        phones: see `phones_of_frames`.
        segment: likewise.
        pdf_of: pdf-id of a window of three phones and a pdf-class.
        transition_id: of (phone, HMM state, pdf-id, arc).
    """
    result = []
    for (state, pdf_class, arc), place in zip(frames, segment, strict=True):
        pdf = pdf_of(window_around(phones, place, 3, 1), pdf_class)
        result.append(transition_id(phones[place], state, pdf, arc))
    return result
