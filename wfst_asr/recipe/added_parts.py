"""L and G with the words that were added to a graph, so that the graph can be checked against them."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import ARC_DTYPE, ArcTable, arc_table
from wfst_asr.fst.manifest import Manifest
from wfst_asr.fst.symbols import SymbolTable, read_symbols
from wfst_asr.graph.lexicon_fst import LexiconOptions, lexicon_arcs
from wfst_asr.graph.lexicon_parts import lexicon_parts
from wfst_asr.graph.window_hmms import DirectLimitError
from wfst_asr.lexicon.lexicon import Lexicon, Pronunciation
from wfst_asr.lexicon.phone_set import PhoneSet
from wfst_asr.recipe.added_words import ADDED, APPROXIMATE

_Row = dict[str, object]


def added_rows(manifest: Manifest | None) -> list[_Row]:
    """Return what a manifest tells of words that were added: word, phones and cost of each pronunciation."""
    return list(manifest.options.get(ADDED, ())) if manifest else []


def without_added(words: SymbolTable, manifest: Manifest | None, lang: Path) -> SymbolTable:
    """Return the words of a graph but for those that were added and that a lang directory has not."""
    gone = {row["word"] for row in added_rows(manifest)}
    if gone and (lang / "words.txt").exists():
        gone -= set(read_symbols(lang / "words.txt"))
    return SymbolTable({word: number for word, number in words.items() if word not in gone}) if gone else words


def with_added_words(
    lexicon: ArcTable, grammar: ArcTable, manifest: Manifest, *, words: SymbolTable, phones: SymbolTable
) -> tuple[ArcTable, ArcTable, SymbolTable]:
    """Return L and G with the added words, and phones with the disambiguation symbols that L has then.

    L is made anew of its pronunciations and theirs; G has their arcs at the state that backing off ends in.

    Args:
        lexicon: L before, with disambiguation symbols.
        grammar: G before.
        manifest: of the graph with added words.
        words: `words.txt` of that graph.
        phones: its phones.

    Raises:
        WfstAsrError: the words were added in a way that L and G cannot say, and which.
    """
    rows = added_rows(manifest)
    if manifest.options.get(APPROXIMATE):
        raise WfstAsrError(f"{len(rows)} pronunciations were added {manifest.options[APPROXIMATE]}")
    try:
        parts = lexicon_parts(lexicon, phones.disambiguation_ids)
    except DirectLimitError as limit:
        raise WfstAsrError(f"{len(rows)} pronunciations were added, and {limit}") from limit
    known = {word for _, word, _ in parts.pronunciations}
    old = [row["word"] for row in rows if words[str(row["word"])] in known]
    if old:
        raise WfstAsrError(f"pronunciations were added to words of L, such as '{old[0]}'")
    least: dict[int, float] = {}
    for row in rows:
        word, cost = words[str(row["word"])], float(str(row["cost"]))
        least[word] = min(cost, least.get(word, cost))
    entries = [
        Pronunciation(words.names[word], tuple(phones.names[phone] for phone in spoken), math.exp(-cost))
        for spoken, word, cost in parts.pronunciations
    ]
    entries += [
        Pronunciation(
            str(row["word"]), _phones(row, phones), math.exp(least[words[str(row["word"])]] - float(str(row["cost"])))
        )
        for row in rows
    ]
    names = dict(phones.ids)
    for k in range(len(entries) + 2):
        names.setdefault(f"#{k}", max(phones.names) + 1 + len(names))
    silence = phones.names[parts.silence_phone] if parts.silence_phone else None
    options = LexiconOptions(parts.silence_prob, silence)
    table = lexicon_arcs(Lexicon(tuple(entries)), names, words, options)
    used = set(np.unique(table.arcs["ilabel"]).tolist())
    symbols = SymbolTable({name: number for name, number in names.items() if name in phones or number in used})
    return table, _with_arcs(grammar, sorted(least.items()), words), symbols


def _phones(row: _Row, phones: SymbolTable) -> tuple[str, ...]:
    plain = tuple(str(row["phones"]).split())
    if all(phone in phones for phone in plain):
        return plain
    return PhoneSet((), (), None, position_dependent=True).in_word(plain)


def _with_arcs(grammar: ArcTable, costs: Sequence[tuple[int, float]], words: SymbolTable) -> ArcTable:
    """Return G with an arc for each word at its empty history."""
    backs_off = grammar.arcs["ilabel"] == words["#0"] if "#0" in words else np.zeros(grammar.num_arcs, dtype=bool)
    source = grammar.source()
    ends = set(grammar.arcs["nextstate"][backs_off].tolist()) - set(source[backs_off].tolist())
    if len(ends) != 1:
        raise WfstAsrError(f"words were added, and G has {len(ends)} states that backing off ends in")
    state = ends.pop()
    arcs = np.array([(word, word, cost, state) for word, cost in costs], dtype=ARC_DTYPE)
    return arc_table(
        grammar.num_states,
        np.concatenate((grammar.arcs, arcs)),
        source=np.concatenate((source, np.full(len(arcs), state))),
        finals=grammar.final_cost,
        start=grammar.start,
    )
