"""Kernel that cuts bytes of text into word ids by one hash table over the bytes of the words."""

import numpy as np
from numba import njit

SENTENCE_BEGIN, SENTENCE_END = 0, 1  # ids of <s> and </s>

# Places of the state of `tokenize`: where it is in the block and in `ids`, sentences and lines so far, the first line
# with a mark inside a sentence (-1: none), where the sentence begins in `ids` (-1: outside one), whether </s> was
# read; numbers of words and of their bytes, which last over all blocks.
AT, COUNT, SENTENCES, LINE, WRONG, BEGUN, ENDED, NUM_WORDS, NUM_BYTES = range(9)


@njit(cache=True, nogil=True)
def fill_slots(slots: np.ndarray, hashes: np.ndarray, num_words: int) -> None:
    """Enter words in an empty table (all -1) of a power of two slots, by their hashes."""
    mask = np.uint64(slots.shape[0] - 1)
    for word in range(num_words):
        slot = hashes[word] & mask
        while slots[slot] >= 0:
            slot = (slot + np.uint64(1)) & mask
        slots[slot] = word


@njit(cache=True, nogil=True)
def tokenize(
    text: np.ndarray,
    ids: np.ndarray,
    slots: np.ndarray,
    hashes: np.ndarray,
    begins: np.ndarray,
    arena: np.ndarray,
    state: np.ndarray,
) -> bool:
    """Write the word ids of whole lines to `ids`, each line that has words from <s> to </s>.

    A mark that the line has already at its begin or end is not doubled.

    `text` holds bytes, `ids` has room for two ids a byte.  `slots` are word ids by hash, -1 free, a power of two of
    them; `hashes`, `begins` and `arena` the hash of each word, where its bytes begin in the arena (one begin more
    than words), and these bytes.  `state` (9,) int64 is named above, and changed.

    Returns:
        whether the block is done; if not, the arrays have no room for a new word: enlarge them and call again.
    """
    size = text.shape[0]
    mask = np.uint64(slots.shape[0] - 1)
    at, count, sentences, line = state[AT], state[COUNT], state[SENTENCES], state[LINE]
    wrong, begun, ended = state[WRONG], state[BEGUN], state[ENDED]
    num_words, num_bytes = state[NUM_WORDS], state[NUM_BYTES]
    done = True
    while at < size:
        byte = text[at]
        if byte == 10:
            if begun >= 0:
                if count == begun + 1:
                    count = begun  # nothing but marks
                else:
                    ids[count] = SENTENCE_END
                    count += 1
                    sentences += 1
            begun = -1
            ended = 0
            line += 1
            at += 1
            continue
        if byte == 32 or (9 <= byte <= 13):
            at += 1
            continue
        end = at
        h = np.uint64(14695981039346656037)
        while end < size and not (text[end] == 32 or (9 <= text[end] <= 13)):
            h = (h ^ np.uint64(text[end])) * np.uint64(1099511628211)
            end += 1
        h ^= h >> np.uint64(32)
        slot = h & mask
        word = slots[slot]
        while word >= 0:
            first = begins[word]
            if hashes[word] == h and begins[word + 1] - first == end - at:
                same = True
                for k in range(end - at):
                    if arena[first + k] != text[at + k]:
                        same = False
                        break
                if same:
                    break
            slot = (slot + np.uint64(1)) & mask
            word = slots[slot]
        if word < 0:
            if (
                2 * num_words >= slots.shape[0]
                or num_words + 2 > begins.shape[0]
                or num_bytes + end - at > arena.shape[0]
            ):
                done = False
                break
            word = num_words
            slots[slot] = word
            hashes[word] = h
            for k in range(end - at):
                arena[num_bytes + k] = text[at + k]
            num_bytes += end - at
            num_words += 1
            begins[num_words] = num_bytes
        at = end
        if begun < 0:
            begun = count
            ids[count] = SENTENCE_BEGIN
            count += 1
            if word == SENTENCE_BEGIN:
                continue
        if ended == 1 or word == SENTENCE_BEGIN:
            if wrong < 0:
                wrong = line
        elif word == SENTENCE_END:
            ended = 1
        else:
            ids[count] = word
            count += 1
    state[AT], state[COUNT], state[SENTENCES], state[LINE] = at, count, sentences, line
    state[WRONG], state[BEGUN], state[ENDED] = wrong, begun, ended
    state[NUM_WORDS], state[NUM_BYTES] = num_words, num_bytes
    return done
