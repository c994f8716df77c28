"""Kaldi's lattice archives: what is written reads back, Kaldi's own files, damaged files."""

import gzip
import importlib.util
import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.lattice.whole_paths import check_form, check_same_paths, whole_paths
from tests.lattice.word_lattices import either_kind, linear_compact
from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import arc_table
from wfst_asr.kaldi.lattice import lattice_writer, read_lattices, write_lattices
from wfst_asr.lattice.convert import state_level
from wfst_asr.lattice.fst_exchange import label_lattice, word_lattice
from wfst_asr.lattice.lattice import Lattice

in_a_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def fields(lattice):
    return {name: value for name, value in vars(lattice).items() if isinstance(value, np.ndarray) and name != "source"}


def assert_equal(one, other):
    assert type(one) is type(other)
    for name, value in fields(one).items():
        assert np.array_equal(value, getattr(other, name)), name


@in_a_folder
@given(st.lists(either_kind(), max_size=3), st.booleans(), st.booleans())
def test_lattices_read_back_with_every_path_and_cost(tmp_path, lattices, binary, zipped):
    name = tmp_path / ("lat.gz" if zipped else "lat.ark")
    items = [(f"utt{i}", lattice) for i, lattice in enumerate(lattices)]
    write_lattices(name, items, binary=binary, scp=None if zipped else tmp_path / "lat.scp")
    back = list(read_lattices(name, acoustic_scale=0.5))
    assert [key for key, _ in back] == [key for key, _ in items]
    for (_, lattice), (_, read) in zip(items, back, strict=True):
        check_form(read)
        assert read.acoustic_scale == 0.5
        if read.num_arcs:
            assert type(read) is type(lattice)
        check_same_paths(whole_paths(read), whole_paths(lattice))
    if not zipped:
        for (_, one), (_, other) in zip(back, read_lattices(tmp_path / "lat.scp"), strict=True):
            if one.num_arcs:
                assert_equal(one, other)
    write_lattices(tmp_path / "again", back, binary=binary)
    for (_, one), (_, other) in zip(back, read_lattices(tmp_path / "again"), strict=True):
        if one.num_arcs or binary:
            assert_equal(one, other)


@in_a_folder
@given(either_kind(), st.randoms(use_true_random=False))
def test_states_in_any_order_are_sorted(tmp_path, lattice, random):
    others = list(range(1, lattice.num_states))
    random.shuffle(others)
    number = [0, *others]
    raw = isinstance(lattice, Lattice)
    lines = []
    for a, (s, d, word) in enumerate(zip(lattice.source, lattice.nextstate, lattice.olabel, strict=True)):
        string = "" if raw else "_".join(map(str, lattice.labels[lattice.first_label[a] : lattice.first_label[a + 1]]))
        cost = f"{lattice.graph_cost[a]!r},{lattice.acoustic_cost[a]!r}".replace("np.float32(", "").replace(")", "")
        labels = f"{lattice.ilabel[a]} {word} {cost}" if raw else f"{word} {cost},{string}"
        lines.append(f"{number[s]} {number[d]} {labels}")
    random.shuffle(lines)
    lines.sort(key=lambda line: not line.startswith("0 "))
    for s in np.flatnonzero(np.isfinite(lattice.final_cost)):
        string = (
            ""
            if raw
            else "_".join(
                map(str, lattice.final_labels[lattice.first_final_label[s] : lattice.first_final_label[s + 1]])
            )
        )
        acoustic = 0.0 if raw else lattice.final_acoustic_cost[s]
        lines.append(f"{number[s]} {float(lattice.final_cost[s])},{float(acoustic)}" + ("" if raw else f",{string}"))
    if not lines or not lines[0].startswith("0 "):
        return
    (tmp_path / "lat.txt").write_text("utt1 \n" + "\n".join(lines) + "\n\n")
    ((_, read),) = read_lattices(tmp_path / "lat.txt")
    check_form(read)
    check_same_paths(whole_paths(read), whole_paths(lattice))


def is_sorted(block):
    """Tell whether every arc of a text lattice leads to a higher state; Kaldi's determinization does not care."""
    pairs = [line.split("\t")[:2] for line in block.split("\n")[1:] if line.count("\t") > 1]
    return all(int(source) < int(target) for source, target in pairs)


def test_kaldis_archive_is_rewritten_byte_by_byte(corpora, tmp_path):
    source = corpora / "kaldi_an4" / "lattices" / "lat.ark"
    lattices = list(read_lattices(source))
    ids = [key.encode() for key, _ in lattices]
    theirs = re.split(b"(?=" + b"|".join(re.escape(key + b" \xd6") for key in ids) + b")", source.read_bytes())[1:]
    with gzip.open(corpora / "kaldi_an4" / "lattices" / "clat.txt.gz", "rt") as file:
        blocks = file.read().split("\n\n")
    for (key, lattice), expected, block in zip(lattices, theirs, blocks, strict=False):
        check_form(lattice)
        write_lattices(tmp_path / "one.ark", [(key, lattice)])
        written = (tmp_path / "one.ark").read_bytes()
        assert len(written) == len(expected)
        assert (written == expected) == is_sorted(block), key


def test_kaldis_text_of_both_kinds_is_the_same_lattices(corpora, tmp_path):
    folder = corpora / "kaldi_an4" / "lattices"
    binary = dict(read_lattices(folder / "lat.ark"))
    compact = dict(read_lattices(folder / "clat.txt.gz"))
    raw = dict(read_lattices(folder / "lat.txt.gz"))
    assert list(binary) == list(compact) == list(raw)
    for key, lattice in binary.items():
        assert lattice.num_frames == compact[key].num_frames == raw[key].num_frames
        assert np.array_equal(lattice.labels, compact[key].labels)
        for other in (compact[key], raw[key], state_level(lattice)):
            found, expected = whole_paths(other), whole_paths(lattice)
            assert found.keys() == expected.keys()
            for path, costs in expected.items():
                assert np.array(found[path]) == pytest.approx(np.array(costs), rel=1e-5)
    write_lattices(tmp_path / "clat.txt", compact.items(), binary=False)
    with gzip.open(folder / "clat.txt.gz", "rt") as file:
        theirs = file.read().split("\n\n")
    ours = (tmp_path / "clat.txt").read_text().split("\n\n")
    for one, other in zip(ours[:-1], theirs[:-1], strict=True):
        assert (one == other) == is_sorted(other)


READ_AND_WRITE = """
import sys, kaldifst
read = kaldifst.Lattice.read(sys.argv[1])
print(read.num_states, read.start, [read.num_arcs(s) for s in range(read.num_states)])
read.write(sys.argv[2])
"""


def test_openfst_reads_what_is_written_and_writes_the_same(tmp_path):
    if importlib.util.find_spec("kaldifst") is None:
        pytest.skip("kaldifst is not installed")
    lattice = state_level(linear_compact([((1, 2), 1.5), ((3,), 0.25), ((), 2.0)]))
    write_lattices(tmp_path / "lat.ark", [("u", lattice)])
    one, again = tmp_path / "one.fst", tmp_path / "again.fst"
    one.write_bytes((tmp_path / "lat.ark").read_bytes()[2:])
    # a process of its own: the OpenFst inside kaldifst and that of pynini do not go together
    command = [sys.executable, "-c", READ_AND_WRITE, one, again]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    assert told.strip() == f"{lattice.num_states} 0 {np.diff(lattice.first_arc).tolist()}"
    assert again.read_bytes() == one.read_bytes()


def test_a_final_acoustic_cost_of_a_lattice_becomes_an_arc(tmp_path):
    (tmp_path / "lat.txt").write_text("u \n0 1 5 2 1,2\n0 1 6 3\n1 0.5,0.25\n\n")
    ((_, lattice),) = read_lattices(tmp_path / "lat.txt")
    check_form(lattice)
    assert whole_paths(lattice) == {((2,), (5,)): [(1.5, 2.25)], ((3,), (6,)): [(0.5, 0.25)]}


def test_what_is_on_no_path_is_dropped(tmp_path):
    text = "u \n2 1 5,1,7\n2 0 6,1,7\n3 1 6,1,7\n1\n\n".replace("5,1,7", "4 5,1,7").replace("6,1,7", "4 6,1,7")
    (tmp_path / "lat.txt").write_text(text)
    ((_, lattice),) = read_lattices(tmp_path / "lat.txt")
    assert (lattice.num_states, lattice.num_arcs) == (2, 1)
    assert whole_paths(lattice) == {((4,), (7,)): [(5.0, 1.0)]}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    compact = linear_compact([((1, 2), 1.5), ((3,), 0.25)])
    archives = []
    for binary in (True, False):
        for kind, lattice in (("compact", compact), ("lattice", state_level(compact))):
            name = folder / f"{kind}-{binary}.ark"
            write_lattices(name, [("utt-1", lattice), ("utt-2", lattice)], binary=binary)
            archives.append(name.read_bytes())
    return archives


@pytest.mark.parametrize("which", range(4))
def test_an_archive_cut_anywhere_is_an_error_or_whole_lattices(small, which, tmp_path):
    whole = small[which]
    name = tmp_path / "cut.ark"
    told = set()
    for length in range(1, len(whole)):
        name.write_bytes(whole[:length])
        count = 0
        try:
            for key, lattice in read_lattices(name):
                count += 1
                check_form(lattice)
                assert key == f"utt-{count}"
            assert count == 1, length
            assert whole[length - 1 :].find(b"utt-2") in (0, 1), length  # between the two
        except WfstAsrError as error:
            message = str(error)
            told.add(re.sub(r"\d+", "N", message))
    assert all(str(tmp_path) in message or "byte N" in message for message in told)
    assert 2 <= len(told) <= 6


@in_a_folder
@given(st.integers(0, 3), st.data())
def test_an_archive_with_damaged_bytes_never_breaks_the_reader(small, tmp_path, which, data):
    damaged = bytearray(small[which])
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "damaged.ark").write_bytes(damaged)
    try:
        for _, lattice in read_lattices(tmp_path / "damaged.ark"):
            check_form(lattice)
    except WfstAsrError:
        pass


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"u \n0 1 2 1,2\n1\n", "there is no empty line behind it"),
        (b"u \n0 1 2 3 1,2\n0 1 2 1,2,3\n1\n\n", r"line '0 1 2 1,2,3', which is no arc .* \(at byte 15\)"),
        (b"u \n0 1 2 1,nothing,\n1\n\n", "line '0 1 2 1,nothing,'"),
        (b"u \n0 1 2 1e39,0,\n1 1e39,0,\n\n", "cost is no finite number"),
        (b"u \n0 1 2 1,nan,\n1\n\n", "cost is no finite number"),
        (b"u \n0 1 2 1,2,4\n1 2 2 1,2,4\n2 1 3 1,2,4\n1\n\n", "has a cycle of arcs"),
        (b"u \n0 1 2 1,2,4\n0 1 2 1,2,4_5\n1\n\n", "paths to state 1 that consume different numbers of frames"),
        (b"u \n0 1 2 1,2,4\n0\n1\n\n", "paths of 0 and of 1 frames"),
        (b"u \n0 1 -2 1,2,4\n1\n\n", "line '0 1 -2 1,2,4'"),
        (b"u \n0 999999 2 1,2,4\n1\n\n", "1000000 states on 2 lines"),
        (b"u \n\nu \n\n", "the id 'u' occurs twice, at byte 4"),
        (b"u  [ 1 2 ]\n", "does not begin on a line of its own"),
        (b"u \0BFM \4", "is no lattice, binary or text"),
        (b"justoneword", "no utterance-id and lattice at byte 0"),
        (b"u \xd6\xfd\xb2~\x05\0\0\0const\x08\0\0\0standard" + bytes(40), "is a 'const' FST"),
        (b"u \xd6\xfd\xb2~\x06\0\0\0vector\x08\0\0\0standard" + bytes(40), "arc type 'standard'"),
    ],
)
def test_bad_archives_are_told_in_one_sentence(content, told, tmp_path):
    (tmp_path / "lat.ark").write_bytes(content)
    with pytest.raises(WfstAsrError, match=told):
        list(read_lattices(tmp_path / "lat.ark"))


def test_bad_places_are_told_in_one_sentence(tmp_path):
    with pytest.raises(WfstAsrError, match="no such file; expected an archive of lattices"):
        list(read_lattices(tmp_path / "none.ark"))
    with pytest.raises(WfstAsrError, match="is a folder"):
        list(read_lattices(tmp_path))
    (tmp_path / "lat.gz").write_bytes(gzip.compress(b"u \n\n")[:-4])
    with pytest.raises(WfstAsrError, match="gzip data is truncated"):
        list(read_lattices(tmp_path / "lat.gz"))
    (tmp_path / "lat.ark").write_bytes(b"")
    assert list(read_lattices(tmp_path / "lat.ark")) == []
    (tmp_path / "lat.scp").write_text(f"u {tmp_path}/lat.ark:17\n")
    with pytest.raises(WfstAsrError, match="'u' ends early"):
        list(read_lattices(tmp_path / "lat.scp"))


def test_the_writer_refuses_bad_ids_and_leaves_nothing(tmp_path):
    lattice = word_lattice(arc_table(2, [(0, 1, 1, 1, 0.5)], finals={1: 0}))
    for items, told in (
        ([("a b", lattice)], "has spaces"),
        ([("", lattice)], "is empty"),
        ([("a", lattice), ("a", lattice)], "written twice"),
    ):
        with pytest.raises(WfstAsrError, match=told):
            write_lattices(tmp_path / "lat.ark", items)
    with (
        pytest.raises(WfstAsrError, match="a gzipped archive has no places"),
        lattice_writer(tmp_path / "lat.gz", scp=tmp_path / "lat.scp"),
    ):
        pass
    assert not list(tmp_path.iterdir())


def test_text_keeps_every_float(tmp_path):
    costs = [1e-8, 123456.78, 1e6, 12345678.0, 0.1, 1 / 3, -2.5e-3, 3e38]
    lattice = label_lattice(arc_table(9, [(i, i + 1, 1, 1, c) for i, c in enumerate(costs)], finals={8: 0}))
    write_lattices(tmp_path / "lat.txt", [("u", lattice)], binary=False)
    ((_, read),) = read_lattices(tmp_path / "lat.txt")
    assert np.array_equal(read.graph_cost, lattice.graph_cost)
    assert "\t1e+06,0\n" in (tmp_path / "lat.txt").read_text()
