"""Words of one path, told apart by marks or by a lexicon, by trying everything.  Imports nothing of the package."""

import itertools


def phones_of(labels, meaning):
    """Return [phone, number of labels] of a path; meaning: label -> (phone, state, self_loop)."""
    phones = []
    before = None
    for label in labels:
        phone, state, loop = meaning[label]
        begins = before is None or phone != before[0] or (loop == 0 and state == 0) or (loop < 0 and state < before[1])
        if begins:
            phones.append([phone, 0])
        phones[-1][1] += 1
        before = (phone, state)
    return phones


def split_by_marks(labels, words, meaning, marks):
    """Return [(word or 0, number of labels)]; marks: phone -> 'B' 'I' 'E' 'S' or '' for silence. None if it fails."""
    words = list(words)
    parts = []
    inside = None
    for phone, length in phones_of(labels, meaning):
        mark = marks[phone]
        if inside is not None:
            inside += length
            if mark == "E":
                parts.append((words.pop(0) if words else None, inside))
                inside = None
            elif mark != "I":
                return None
        elif mark == "":
            parts.append((0, length))
        elif mark == "S":
            parts.append((words.pop(0) if words else None, length))
        elif mark == "B":
            inside = length
        else:
            return None
    if words or inside is not None or any(word is None for word, _ in parts):
        return None
    return parts


def divisions(phones, words, lexicon, silences):
    """Yield every division as steps (0 word or 1 silence, minus the number of phones)."""
    if not phones and not words:
        yield ()
    for kind, variants in ((0, lexicon[words[0]] if words else ()), (1, silences)):
        for variant in variants:
            if tuple(phones[: len(variant)]) == tuple(variant) and (variant or kind == 0):
                rest = divisions(phones[len(variant) :], words[1:] if kind == 0 else words, lexicon, silences)
                yield from ((((kind, -len(variant))), *steps) for steps in rest)


def split_by_lexicon(labels, words, meaning, lexicon, silences):
    """Return [(word or 0, number of labels)] of each division."""
    phones = phones_of(labels, meaning)
    found = []
    for steps in divisions([p for p, _ in phones], list(words), lexicon, silences):
        lengths = iter([length for _, length in phones])
        names = iter(words)
        found.append(
            [(next(names) if kind == 0 else 0, sum(itertools.islice(lengths, -count))) for kind, count in steps]
        )
    return found
