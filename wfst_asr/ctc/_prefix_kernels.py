"""Kernel of prefix beam search: prefixes are nodes of a trie in flat arrays, the active ones lie in slots.

A node keeps its number when its prefix is dropped, so that a prefix that comes back meets its own extensions.
"""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True, inline="always")
def _log_add(a, b):  # type: ignore[no-untyped-def]
    if a < b:
        a, b = b, a
    return a if b == -np.inf else a + np.log1p(np.exp(b - a))


@njit(cache=True, nogil=True)
def _sink(score, slot, token, size):  # type: ignore[no-untyped-def]
    """Restore the heap (least score first) after its first entry was replaced."""
    at = 0
    while True:
        least = 2 * at + 1
        if least >= size:
            return
        if least + 1 < size and score[least + 1] < score[least]:
            least += 1
        if score[at] <= score[least]:
            return
        score[at], score[least] = score[least], score[at]
        slot[at], slot[least] = slot[least], slot[at]
        token[at], token[least] = token[least], token[at]
        at = least


@njit(cache=True, nogil=True)
def _rise(score, slot, token, at):  # type: ignore[no-untyped-def]
    """Restore the heap after an entry was put at its end."""
    while at:
        above = (at - 1) // 2
        if score[above] <= score[at]:
            return
        score[at], score[above] = score[above], score[at]
        slot[at], slot[above] = slot[above], slot[at]
        token[at], token[above] = token[above], token[at]
        at = above


@njit(cache=True, nogil=True)
def _allowed_tokens(row, blank, max_tokens, token_beam, tokens):  # type: ignore[no-untyped-def]
    """Fill tokens with the labels to try at a frame, best first, blank left out; return how many."""
    cutoff = -np.inf
    for label in range(row.shape[0]):
        cutoff = max(cutoff, row[label])
    cutoff -= token_beam
    count = 0
    for label in range(row.shape[0]):
        if label != blank and row[label] > -np.inf and row[label] >= cutoff:
            tokens[count] = label
            count += 1
    if count <= 32:
        for i in range(1, count):
            label = tokens[i]
            k = i
            while k and row[tokens[k - 1]] < row[label]:
                tokens[k] = tokens[k - 1]
                k -= 1
            tokens[k] = label
    else:
        tokens[:count] = tokens[:count][np.argsort(-row[tokens[:count]], kind="mergesort")]
    return min(count, max_tokens)


@njit(cache=True, nogil=True)
def _longer(array, size, fill):  # type: ignore[no-untyped-def]
    grown = np.full(size, fill, array.dtype)
    grown[: array.shape[0]] = array
    return grown


@njit(cache=True, nogil=True)
def prefix_search(log_probs, blank, max_active, beam, max_tokens, token_beam, max_candidates):  # type: ignore[no-untyped-def]
    """Search, and return the trie (parent, label by node), and nodes and log probabilities of the prefixes at the end.

    The last value is the frame with more than `max_candidates` prefixes to choose from; -1 if all is well.
    """
    num_frames, num_labels = log_probs.shape
    nodes = 1 << 10
    parent, label_of = np.full(nodes, -1, np.int32), np.full(nodes, -1, np.int32)
    first_child, next_sibling = np.full(nodes, -1, np.int32), np.full(nodes, -1, np.int32)
    slot_of = np.full(nodes, -1, np.int32)
    num_nodes = 1
    # active prefixes: node, log probability of the alignments that end in blank, in its last label, and in either
    room = 1 << 8
    node, new_node = np.empty(room, np.int32), np.empty(room, np.int32)
    blank_lp, label_lp, total_lp = np.empty(room), np.empty(room), np.empty(room)
    new_blank, new_label = np.empty(room), np.empty(room)
    head, following = np.empty(room, np.int32), np.empty(room, np.int32)  # an active prefix's active extensions
    node[0], blank_lp[0], label_lp[0], total_lp[0] = 0, 0.0, -np.inf, 0.0
    slot_of[0] = 0
    active = 1
    # candidates of the next frame: a heap, the least first; token -1 is the prefix itself
    score, slot, token = np.empty(room), np.empty(room, np.int32), np.empty(room, np.int32)
    tokens = np.empty(num_labels, np.int64)
    allowed = np.full(num_labels, -np.inf)
    stamp = np.zeros(num_labels, np.int64)
    stamps = 0
    for frame in range(num_frames):
        row = log_probs[frame]
        count = _allowed_tokens(row, blank, max_tokens, token_beam, tokens)
        for k in range(count):
            allowed[tokens[k]] = row[tokens[k]]
        limit = min(max_active, active * (count + 1))
        if limit > max_candidates:
            return parent, label_of, node[:active], total_lp[:active], frame
        if limit > score.shape[0]:
            size = 2 * limit
            score, slot, token = np.empty(size), np.empty(size, np.int32), np.empty(size, np.int32)
        # the prefixes themselves: a blank, the last label again, or what their parent becomes by it
        for i in range(active):
            head[i] = -1
        for i in range(active):
            new_blank[i] = total_lp[i] + row[blank]
            above = parent[node[i]]
            new_label[i] = -np.inf
            if above < 0:
                continue
            last = label_of[node[i]]
            new_label[i] = label_lp[i] + allowed[last]
            j = slot_of[above]
            if j >= 0:
                following[i] = head[j]
                head[j] = i
                before = blank_lp[j] if label_of[above] == last else total_lp[j]
                new_label[i] = _log_add(new_label[i], before + allowed[last])
        best = -np.inf
        size = 0
        for i in range(active):
            total = _log_add(new_blank[i], new_label[i])
            if total == -np.inf:
                continue
            best = max(best, total)
            score[size], slot[size], token[size] = total, i, -1
            size += 1
            _rise(score, slot, token, size - 1)
        # prefixes that become longer
        for i in range(active):
            stamps += 1
            j = head[i]
            while j >= 0:
                stamp[label_of[node[j]]] = stamps
                j = following[j]
            last = label_of[node[i]]
            for k in range(count):
                label = tokens[k]
                if stamp[label] == stamps:
                    continue
                total = (blank_lp[i] if label == last else total_lp[i]) + row[label]
                if total < best - beam or total == -np.inf or (size == limit and total <= score[0]):
                    if label == last:
                        continue
                    break  # tokens are in falling order
                best = max(best, total)
                at = size
                if size == limit:
                    at = 0
                else:
                    size += 1
                score[at], slot[at], token[at] = total, i, label
                if at == 0 and size == limit:
                    _sink(score, slot, token, size)
                else:
                    _rise(score, slot, token, at)
        # what stays becomes active
        kept = 0
        for entry in range(size):
            if score[entry] >= best - beam:
                score[kept], slot[kept], token[kept] = score[entry], slot[entry], token[entry]
                kept += 1
        if num_nodes + kept > nodes:
            nodes = 2 * (num_nodes + kept)
            parent, label_of = _longer(parent, nodes, -1), _longer(label_of, nodes, -1)
            first_child, next_sibling = _longer(first_child, nodes, -1), _longer(next_sibling, nodes, -1)
            slot_of = _longer(slot_of, nodes, -1)
        if kept > room:
            room = 2 * kept
            grown = np.empty(room, np.int32)
            grown[:active] = node[:active]
            node, new_node = grown, np.empty(room, np.int32)
            blank_lp, label_lp = np.empty(room), np.empty(room)
            total_lp = _longer(total_lp, room, 0.0)
            new_blank, new_label = _longer(new_blank, room, 0.0), _longer(new_label, room, 0.0)
            head, following = np.empty(room, np.int32), np.empty(room, np.int32)
        for i in range(active):
            slot_of[node[i]] = -1
        for i in range(kept):
            own = node[slot[i]]
            if token[i] < 0:
                blank_lp[i], label_lp[i] = new_blank[slot[i]], new_label[slot[i]]
            else:
                child = first_child[own]
                while child >= 0 and label_of[child] != token[i]:
                    child = next_sibling[child]
                if child < 0:
                    child = num_nodes
                    num_nodes += 1
                    parent[child], label_of[child] = own, token[i]
                    next_sibling[child] = first_child[own]
                    first_child[own] = child
                own = child
                blank_lp[i], label_lp[i] = -np.inf, score[i]
            new_node[i] = own
            slot_of[own] = i
            total_lp[i] = score[i]
        node, new_node = new_node, node
        active = kept
        for k in range(count):
            allowed[tokens[k]] = -np.inf
    return parent, label_of, node[:active], total_lp[:active], -1
