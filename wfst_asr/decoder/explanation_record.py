"""An explanation as plain dictionaries, for JSON."""

from dataclasses import asdict
from typing import Any

from wfst_asr.decoder.explain import ExplainedPath, Explanation


def explanation_record(told: Explanation) -> dict[str, Any]:
    """Return what an explanation tells, rounded to 1e-4; what is not known is None."""
    return {
        "verdict": told.verdict,
        "sentence": told.sentence,
        "reference_words": list(told.reference_words),
        "gap": _rounded(told.gap),
        "reference": _path(told.reference),
        "hypothesis": _path(told.hypothesis),
        "regions": [_rounded(asdict(region) | {"gap": region.gap}) for region in told.regions],
        "search": None if told.loss is None else _rounded(_without(asdict(told.loss), "found_word_ids", "found_cost")),
        "missing": [asdict(one) for one in told.missing],
        "broken_at": told.broken_at,
        "pronunciations": {
            word: [" ".join(phones) for phones in variants]
            for word, variants in zip(told.reference_words, told.pronunciations, strict=False)
        },
    }


def _path(path: ExplainedPath | None) -> dict[str, Any] | None:
    if path is None:
        return None
    result = path.result
    record: dict[str, Any] = _rounded(
        {
            "text": " ".join(path.words),
            "total": path.total,
            "graph_cost": result.graph_cost,
            "acoustic_cost": result.acoustic_scale * result.acoustic_cost,
            "lm_cost": path.lm_cost,
            "reached_final": result.reached_final,
            "times_exact": result.times_exact,
            "words": [asdict(row) for row in path.costs],
        }
    )
    return record


def _without(record: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in names}


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(one) for one in value]
    return value
