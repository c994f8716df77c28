"""`graph add-words`: graph folders with new words, checked against their parts and by decoding; bad input is told."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.graph.test_trained_graph import LANG_LEXICON, make_parts
from tests.recipe.test_graph_check import SOME, compiled, with_random_probs, write_acoustic_model, write_lm
from tests.toy_world import status_of
from wfst_asr.ctc.tokens import CtcTokens
from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import read_const_fst
from wfst_asr.fst.manifest import MANIFEST_NAME, read_manifest
from wfst_asr.graph.lang_dir import make_lang_dir
from wfst_asr.lexicon.lexicon import Lexicon, Pronunciation
from wfst_asr.lexicon.phone_set import PhoneSet
from wfst_asr.recipe.added_proof import prove_added_words
from wfst_asr.recipe.added_words import AddedWords, NewWordCost, add_words_to_graph
from wfst_asr.recipe.ctc_graph import CtcGraphOptions, compile_ctc_graph
from wfst_asr.recipe.graph_check import GraphCheck, check_graph
from wfst_asr.recipe.graph_vocabulary import read_graph_vocabulary
from wfst_asr.recipe.guessed_words import guess_pronunciations

NEW = [
    Pronunciation("deter", ("D", "IY", "T", "ER")),
    Pronunciation("deter", ("D", "IH", "T", "ER"), 0.5)
    if "IH" in LANG_LEXICON.phones
    else Pronunciation("erd", ("ER", "D")),
    Pronunciation("rhed", ("R", "EH", "D")),  # sounds like red and read
    Pronunciation("er", ("ER",)),
]
LIKELY = NewWordCost(prob=0.01)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give lang/, lm.arpa, model/ and graph-direct/, triphones with their place in the word."""
    folder = tmp_path_factory.mktemp("world")
    tree, model = make_parts(folder)
    write_lm(LANG_LEXICON.words, folder / "lm.arpa")
    write_acoustic_model(tree, with_random_probs(model, np.random.default_rng(3)), folder / "model")
    compiled(folder, "direct")
    return folder


def checked(world: Path, graph: Path) -> GraphCheck:
    return check_graph(graph, lang=world / "lang", grammar=world / "lm.arpa", model=world / "model", options=SOME)


def added(world: Path, out: Path, entries: list[Pronunciation] = NEW, how: NewWordCost = LIKELY) -> AddedWords:
    return add_words_to_graph(world / "graph-direct", out, entries, how, model_dir=world / "model")


def statuses(found: GraphCheck) -> dict[str, str]:
    return {check.name: check.status for check in found.checks}


def test_a_graph_with_new_words_passes_every_check(world: Path, tmp_path: Path) -> None:
    made = added(world, tmp_path / "out")
    found = checked(world, tmp_path / "out")
    assert set(statuses(found).values()) == {"passed"}, [c for c in found.checks if c.status != "passed"]
    assert found.by_name("vocabulary").detail.endswith("4 pronunciations added later among them")
    assert made.sounds_like == ((), (), ("read", "red"), ()) or made.sounds_like[2] == ("red", "read")
    assert made.num_endings_without == 0
    assert (made.num_states, made.num_arcs) == (found.num_states, found.num_arcs)


def test_words_added_one_after_another_pass_every_check(world: Path, tmp_path: Path) -> None:
    added(world, tmp_path / "one", NEW[:1])
    add_words_to_graph(tmp_path / "one", tmp_path / "two", NEW[2:], LIKELY, model_dir=world / "model")
    assert set(statuses(checked(world, tmp_path / "two")).values()) == {"passed"}
    assert [row["word"] for row in read_manifest(tmp_path / "two").options["added_words"]] == ["deter", "rhed", "er"]


def test_a_wrong_cost_of_a_new_word_is_told_by_the_check(world: Path, tmp_path: Path) -> None:
    added(world, tmp_path / "out")
    path = tmp_path / "out" / MANIFEST_NAME
    told = json.loads(path.read_text())
    told["options"]["added_words"][0]["cost"] -= 0.5
    path.write_text(json.dumps(told))
    assert statuses(checked(world, tmp_path / "out"))["parts in graph"] == "failed"


def test_pronunciations_of_words_that_were_there_are_not_looked_at(world: Path, tmp_path: Path) -> None:
    added(world, tmp_path / "out", [Pronunciation("tea", ("T", "EH"))])
    found = checked(world, tmp_path / "out")
    assert found.sound
    assert found.by_name("parts in graph").detail == "pronunciations were added to words of L, such as 'tea'"


def test_new_words_are_decoded_and_homophones_of_likelier_words_are_not(world: Path, tmp_path: Path) -> None:
    added(world, tmp_path / "out")
    proof = prove_added_words(tmp_path / "out", NEW, model_dir=world / "model")
    assert [word.is_found for word in proof] == [True, True, False, True]
    assert proof[2].heard[0] in (("red",), ("read",))


def test_a_word_is_as_likely_as_another(world: Path, tmp_path: Path) -> None:
    likelier = added(world, tmp_path / "out", NEW[:1], NewWordCost(like="at"))
    lines = (world / "lm.arpa").read_text().splitlines()
    log10 = next(float(line.split()[0]) for line in lines if line.split()[1:2] == ["at"])
    assert likelier.cost == pytest.approx(-log10 * np.log(10), abs=0.02)
    with pytest.raises(WfstAsrError, match="word 'nowhere' is not among the words of"):
        added(world, tmp_path / "out", NEW[:1], NewWordCost(like="nowhere"))


def test_the_search_reads_the_new_graph_when_only_costs_changed(world: Path, tmp_path: Path) -> None:
    for cost in (1.0, 30.0):
        added(world, tmp_path / "out", NEW[:1], NewWordCost(cost=cost))
        prove_added_words(tmp_path / "out", NEW[:1], model_dir=world / "model")
        assert not (tmp_path / "out" / "HCLG.search.part").exists()
    fresh = added(world, tmp_path / "fresh", NEW[:1], NewWordCost(cost=30.0))
    prove_added_words(tmp_path / "fresh", NEW[:1], model_dir=world / "model")
    assert fresh.cost == 30.0
    assert (tmp_path / "out" / "HCLG.search").read_bytes() == (tmp_path / "fresh" / "HCLG.search").read_bytes()


def write(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text)
    return folder / name


@pytest.mark.parametrize(
    ("lexicon", "message"),
    [
        ("new X Y\n", "word 'new' has the phone 'X', which the model of"),
        ("red R EH D\n", "word 'red' with the pronunciation 'R EH D' is in the graph already"),
        ("new R EH D\nnew R EH D\n", "'new'"),
        ("<s> R EH D\n", "'<s>' is reserved"),
        ("#1 R EH D\n", "'#1' is reserved"),
        ("new\n", "new"),
        ("", "has no entries; expected lines such as"),
    ],
)
def test_bad_words_are_told_in_one_sentence(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], lexicon: str, message: str
) -> None:
    file = write(tmp_path, "new.txt", lexicon)
    arguments = ["--lexicon", file, "--model", world / "model"]
    assert status_of("graph", "add-words", world / "graph-direct", tmp_path / "out", *arguments) == 1
    told = capsys.readouterr().err.strip().splitlines()
    assert len(told) == 1
    assert message in told[0]
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_there_stays_as_it_is_after_an_error(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    added(world, tmp_path / "out")
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    file = write(tmp_path, "new.txt", "new X Y\n")
    arguments = ["--lexicon", file, "--model", world / "model"]
    assert status_of("graph", "add-words", world / "graph-direct", tmp_path / "out", *arguments) == 1
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    assert status_of("graph", "add-words", tmp_path / "out", tmp_path / "out", *arguments) == 1
    assert "is the graph itself, which is only read; name another folder" in capsys.readouterr().err


def test_folders_that_are_no_graph_of_the_model_are_told(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path, "new.txt", "new R EH D IY\n")
    bare = tmp_path / "bare"
    shutil.copytree(world / "graph-direct", bare)
    (bare / MANIFEST_NAME).unlink()
    tree, model = make_parts(tmp_path)
    write_acoustic_model(tree, with_random_probs(model, np.random.default_rng(8)), tmp_path / "other")
    cases = [
        (bare, ["--model", world / "model"], "manifest.json"),
        (tmp_path / "nowhere", ["--model", world / "model"], "nowhere"),
        (world / "graph-direct", [], "name the model's folder: --model DIR"),
        (world / "graph-direct", ["--model", tmp_path / "other"], "take the folder of the graph's own model"),
        (world / "graph-direct", ["--model", world / "model", "--word", "other"], "has no word 'other'"),
    ]
    for graph, arguments, message in cases:
        assert status_of("graph", "add-words", graph, tmp_path / "out", "--lexicon", file, *arguments) == 1
        told = capsys.readouterr().err.strip().splitlines()
        assert len(told) == 1, told
        assert message in told[0]
        assert not (tmp_path / "out").exists()
    for wrong in (
        [],
        ["--guess"],
        ["--lexicon", file, "--prob", "0.1", "--like", "at"],
        ["--lexicon", file, "--prob", 2],
    ):
        assert status_of("graph", "add-words", world / "graph-direct", tmp_path / "out", *wrong) == 2


def test_the_command_tells_what_was_added_and_decoded(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path, "new.txt", "deter D IY T ER\nrhed R EH D\n")
    arguments = [world / "graph-direct", tmp_path / "out", "--lexicon", file, "--model", world / "model"]
    assert status_of("graph", "add-words", *arguments) == 0
    told = capsys.readouterr().out
    assert "2 new pronunciations at a cost of 9.21" in told
    assert "decoded: deter (D IY T ER)\n" in told
    assert "not decoded: rhed (R EH D), since it sounds like re" in told
    assert status_of("graph", "add-words", *arguments, "--json", "--prob", "0.5", "--word", "deter") == 0
    record = json.loads(capsys.readouterr().out)
    assert record["words"] == [{"word": "deter", "phones": ["D", "IY", "T", "ER"], "sounds_like": [], "found": True,
                                "heard": record["words"][0]["heard"]}]  # fmt: skip
    assert record["cost"] == pytest.approx(np.log(2))
    assert status_of("graph", "add-words", *arguments, "--no-prove") == 0
    assert "decoded" not in capsys.readouterr().out


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("letters")
    lexicon = Lexicon.from_pairs([(w, " ".join(w)) for w in ("aa", "a", "ab", "aab", "ba", "bb", "add", "dad")])
    make_lang_dir(lexicon, folder / "lang", PhoneSet.of_lexicon(lexicon, silence=(), optional_silence=None))
    write_lm(lexicon.words, folder / "lm.arpa")
    tokens = CtcTokens(("d", "<blank>", "b", "a", "unused"), 1)
    compile_ctc_graph(folder / "lang", folder / "lm.arpa", tokens, folder / "graph", CtcGraphOptions())
    return folder


def test_a_graph_of_ctc_with_new_words_passes_every_check_and_decodes_them(letters: Path, tmp_path: Path) -> None:
    new = [Pronunciation("bad", ("b", "a", "d")), Pronunciation("daab", ("d", "a", "a", "b"))]
    made = add_words_to_graph(letters / "graph", tmp_path / "out", new, LIKELY)
    found = check_graph(tmp_path / "out", lang=letters / "lang", grammar=letters / "lm.arpa", options=SOME)
    assert found.sound, [check for check in found.checks if check.status == "failed"]
    assert statuses(found)["parts in graph"] == "passed"
    assert all(word.is_found for word in prove_added_words(tmp_path / "out", new))
    assert (
        made.num_new_arcs == read_const_fst(tmp_path / "out" / "HCLG.fst").num_arcs - made.num_arcs + made.num_new_arcs
    )


def test_guesses_are_refused_where_there_is_no_sound(world: Path, letters: Path) -> None:
    pytest.importorskip("hama")
    graph = read_graph_vocabulary(letters / "graph")
    with pytest.raises(WfstAsrError, match="but the graph has others; give them in a lexicon"):
        guess_pronunciations(["bad"], graph)


def test_a_missing_package_is_told(monkeypatch: pytest.MonkeyPatch, letters: Path) -> None:
    from dataclasses import replace

    from wfst_asr.fst.symbols import SymbolTable

    english = replace(
        read_graph_vocabulary(letters / "graph"), phones=SymbolTable.from_names(["AA", "EH", "IY", "NG", "TH"])
    )
    with pytest.raises(
        WfstAsrError, match="word 'x1' has the character '1', from which no pronunciation can be guessed"
    ):
        guess_pronunciations(["x1"], english)
    monkeypatch.setattr("wfst_asr.neural.hama.find_spec", lambda name: None)
    with pytest.raises(WfstAsrError, match=r"install it with: pip install 'wfst-asr\[english-ctc\]'"):
        guess_pronunciations(["bad"], english)
