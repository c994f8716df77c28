import random

from wfst_asr.lexicon.disambiguation import disambiguation_numbers


def naive_numbers(pronunciations):
    """The definition: count, and look for every proper beginning."""
    beginnings = {p[:n] for p in pronunciations for n in range(len(p))}
    used, numbers = {}, []
    for p in pronunciations:
        if p in beginnings or pronunciations.count(p) > 1:
            used[p] = used.get(p, 0) + 1
            numbers.append(used[p])
        else:
            numbers.append(0)
    return tuple(numbers)


def test_homophones_and_prefixes_are_numbered_from_one():
    found = disambiguation_numbers([("A",), ("A",), ("A", "B"), ("A", "B", "C"), ("B",)])
    assert found.numbers == (1, 2, 1, 0, 0)
    assert found.largest == 2


def test_numbers_equal_the_naive_ones_on_random_lexicons():
    rng = random.Random(1)
    for _ in range(200):
        pronunciations = [tuple(rng.choice("ABC") for _ in range(rng.randint(1, 4))) for _ in range(rng.randint(0, 15))]
        assert disambiguation_numbers(pronunciations).numbers == naive_numbers(pronunciations)


def test_no_number_is_needed_where_pronunciations_tell_all():
    assert disambiguation_numbers([("A", "B"), ("B", "A")]).largest == 0
