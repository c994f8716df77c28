from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfst_asr.errors import WfstAsrError
from wfst_asr.io.textgrid import Interval, TextGrid, Tier, format_textgrid, read_textgrid, tiled, write_textgrid

LABELS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",), exclude_characters="\r\x00"), max_size=12)
SHORT = '''File type = "ooTextFile"
Object class = "TextGrid"

0
1.5
<exists>
2
"IntervalTier"
"words"
0
1.5
2
0
0.5
""
0.5
1.5
"say ""no"""
"IntervalTier"
"phones"
0
1.5
1
0
1.5
"1 <exists> ! 2"
'''


@given(labels=st.lists(LABELS, min_size=1, max_size=4), names=st.lists(LABELS, max_size=3))
def test_any_text_reads_back(tmp_path_factory: pytest.TempPathFactory, labels: list[str], names: list[str]) -> None:
    row = tuple(Interval(i * 0.25, (i + 1) * 0.25, label) for i, label in enumerate(labels))
    grid = TextGrid(0.0, 0.25 * len(labels), tuple(Tier(name, row) for name in names))
    path = tmp_path_factory.mktemp("grid") / "a.TextGrid"
    write_textgrid(grid, path)
    assert read_textgrid(path) == grid


def test_the_short_form_and_utf16_are_read(tmp_path: Path) -> None:
    path = tmp_path / "short.TextGrid"
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        path.write_text(SHORT, encoding=encoding)
        grid = read_textgrid(path)
        assert [tier.name for tier in grid.tiers] == ["words", "phones"]
        assert grid.tiers[0].intervals == (Interval(0, 0.5), Interval(0.5, 1.5, 'say "no"'))
        assert grid.tiers[1].intervals == (Interval(0, 1.5, "1 <exists> ! 2"),)
    path.write_text(format_textgrid(grid))
    assert read_textgrid(path) == grid


def test_tiling_fills_gaps_and_cuts_what_is_beyond_the_end() -> None:
    row = tiled([Interval(0.1, 0.2, "a"), Interval(0.2, 0.3, "b"), Interval(0.5, 0.9, "c")], 0.7)
    assert [(i.start_s, i.end_s, i.label) for i in row] == [
        (0.0, 0.1, ""),
        (0.1, 0.2, "a"),
        (0.2, 0.3, "b"),
        (0.3, 0.5, ""),
        (0.5, 0.7, "c"),
    ]
    assert tiled([], 1.0) == (Interval(0.0, 1.0),)
    assert tiled([Interval(0.0, 1.0, "a"), Interval(2.0, 3.0, "b")], 1.0) == (Interval(0.0, 1.0, "a"),)
    TextGrid(0.0, 0.7, (Tier("words", row),))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([Interval(0, 0.5), Interval(0.6, 1)], "does not begin at 0.5 s"),
        ([Interval(0, 0.5), Interval(0.4, 1)], "does not begin at 0.5 s"),
        ([Interval(0, 0)], "does not begin"),
        ([Interval(0, 0.5)], "ends at 0.5 s, but the recording at 1.0 s"),
        ([], "ends at 0.0 s"),
    ],
)
def test_tiers_that_do_not_tile_are_refused(row: list[Interval], message: str) -> None:
    with pytest.raises(WfstAsrError, match=f"TextGrid tier 'words': .*{message}"):
        TextGrid(0.0, 1.0, (Tier("words", tuple(row)),))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no TextGrid", "not a TextGrid"),
        (SHORT.replace('"TextGrid"', '"Sound"'), "not a TextGrid"),
        (SHORT.replace('"IntervalTier"\n"phones"', '"TextTier"\n"phones"'), "the tier 'phones' is a TextTier"),
        (SHORT[:-20], "the end of the file where a text was expected"),
        (SHORT.replace("1.5", "x", 1), "'<exists>' where a number was expected"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.TextGrid"
    path.write_text(text)
    with pytest.raises(WfstAsrError, match=rf"bad\.TextGrid: .*{message}"):
        read_textgrid(path)
    with pytest.raises(WfstAsrError, match=r"none\.TextGrid: cannot be read"):
        read_textgrid(tmp_path / "none.TextGrid")
    path.write_bytes(b"\xe9\xff")
    with pytest.raises(WfstAsrError, match="not UTF-8 or UTF-16"):
        read_textgrid(path)
