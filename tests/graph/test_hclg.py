import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from tests.graph.toy_graph import Toy, make_toy
from wfst_asr.cli.main import cli
from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import arc_table, read_const_fst
from wfst_asr.fst.convert import to_pynini
from wfst_asr.fst.manifest import Manifest, read_manifest
from wfst_asr.fst.paths import compare_paths
from wfst_asr.fst.symbols import write_symbols
from wfst_asr.graph.graph_dir import (
    INPUT_LABEL_DTYPE,
    read_input_labels,
    transition_input_labels,
    write_graph_dir,
)
from wfst_asr.graph.hclg import HclgOptions, HclgResult, compile_hclg
from wfst_asr.kaldi.tree import write_tree


def compiled(toy: Toy, **options: object) -> HclgResult:
    return compile_hclg(
        toy.lexicon,
        toy.grammar,
        toy.tree,
        toy.model,
        phone_disambig=toy.phones.disambiguation_ids,
        options=HclgOptions(**options),  # type: ignore[arg-type]
        phone_name=toy.phones.names.__getitem__,
        word_name=toy.words.names.__getitem__,
    )


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    return make_toy(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="module")
def result(toy: Toy) -> HclgResult:
    return compiled(toy)


def test_determinizing_clg_too_changes_no_path(toy: Toy, result: HclgResult) -> None:
    other = compiled(toy, determinize_clg=True)
    told = compare_paths(result.fst, other.fst, rng=np.random.default_rng(0), num_paths=60, max_arcs=60)
    assert told.num_missing == 0
    assert told.worst_per_symbol < 1e-3


def test_labels_of_hclg_are_transition_ids_and_words(toy: Toy, result: HclgResult) -> None:
    assert result.fst.arcs["ilabel"].max() <= toy.model.num_transition_ids
    spoken = {toy.words.names[int(label)] for label in np.unique(result.fst.arcs["olabel"]) if label}
    assert not spoken & {"#0", "<s>", "</s>", "<eps>"}
    assert len(spoken) > 10


def test_steps_are_recorded_and_reported_in_order(toy: Toy) -> None:
    told: list[tuple[str, bool]] = []
    steps = compile_hclg(
        toy.lexicon, toy.grammar, toy.tree, toy.model, phone_disambig=toy.phones.disambiguation_ids,
        report=lambda name, step: told.append((name, step is not None)),
    ).steps  # fmt: skip
    assert told == [pair for step in steps for pair in ((step.name, False), (step.name, True))]
    assert steps[-1].name == "asl(HCLG)"


def test_homophones_without_disambiguation_are_named_with_their_pronunciation(tmp_path: Path) -> None:
    toy = make_toy(tmp_path, disambiguate=False)
    with pytest.raises(WfstAsrError, match=r"L o G could not be determinized: the words '.*' and (silence|'.*') share"):
        compiled(toy)


def test_a_grammar_of_other_words_is_told(toy: Toy) -> None:
    grammar = arc_table(2, [(0, 1, 9999, 9999, 0.0)], finals={1: 0.0})
    with pytest.raises(WfstAsrError, match="L o G is empty"):
        compile_hclg(toy.lexicon, grammar, toy.tree, toy.model, phone_disambig=())


def test_negative_scales_are_refused() -> None:
    with pytest.raises(WfstAsrError, match="self_loop_scale is -1"):
        HclgOptions(self_loop_scale=-1)


def write_folder(toy: Toy, result: HclgResult, folder: Path) -> None:
    write_graph_dir(
        folder,
        result.fst,
        words=toy.words,
        phones=toy.phones,
        input_labels=transition_input_labels(toy.model),
        manifest=Manifest(label_kind="transition-id", num_columns=toy.model.num_pdfs, column_names="pdf-id"),
        align_lexicon=[("red", ("R", "EH", "D"))],
    )


def test_a_graph_folder_reads_back_as_it_was_written(toy: Toy, result: HclgResult, tmp_path: Path) -> None:
    write_folder(toy, result, tmp_path / "graph")
    back = read_const_fst(tmp_path / "graph" / "HCLG.fst")
    assert np.array_equal(back.arcs, result.fst.arcs)
    labels = read_input_labels(tmp_path / "graph")
    assert np.array_equal(labels["column"], toy.model.pdf_id)
    assert labels["column"][0] == -1
    assert (tmp_path / "graph" / "align_lexicon.txt").read_text() == "red R EH D\n"
    assert read_manifest(tmp_path / "graph").num_columns == toy.model.num_pdfs


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_an_interrupted_write_leaves_nothing(
    toy: Toy, result: HclgResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(np, "save", fail)
    with pytest.raises((KeyboardInterrupt, WfstAsrError)):
        write_folder(toy, result, tmp_path / "graph")
    assert list(tmp_path.iterdir()) == []


def test_an_older_graph_stays_whole_when_writing_is_interrupted(
    toy: Toy, result: HclgResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_folder(toy, result, tmp_path / "graph")
    before = {path.name: path.read_bytes() for path in (tmp_path / "graph").iterdir()}
    monkeypatch.setattr(np, "save", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        write_folder(toy, result, tmp_path / "graph")
    assert {path.name: path.read_bytes() for path in (tmp_path / "graph").iterdir()} == before


def test_graphs_with_undescribed_labels_and_empty_graphs_are_refused(
    toy: Toy, result: HclgResult, tmp_path: Path
) -> None:
    manifest = Manifest(label_kind="transition-id", num_columns=1, column_names="pdf-id")
    few = np.zeros(3, INPUT_LABEL_DTYPE)
    with pytest.raises(WfstAsrError, match="only 2 labels are described"):
        write_graph_dir(
            tmp_path / "g", result.fst, words=toy.words, phones=toy.phones, input_labels=few, manifest=manifest
        )
    empty = arc_table(0, [], finals={}, start=-1)
    with pytest.raises(WfstAsrError, match="the graph is empty"):
        write_graph_dir(tmp_path / "g", empty, words=toy.words, phones=toy.phones, input_labels=few, manifest=manifest)


def text_model(toy: Toy) -> str:
    from wfst_asr.hmm.topology import format_topology

    rows = "\n".join(" ".join(map(str, row[:3])) for row in toy.model.tuples.tolist())
    probs = " ".join(f"{p:.6f}" for p in toy.model.log_prob)
    return (
        f"<TransitionModel> {format_topology(toy.topology)} <Triples> {len(toy.model.tuples)} {rows} </Triples> "
        f"<LogProbs> [ {probs} ] </LogProbs> </TransitionModel> \n"
    )


def test_the_command_compiles_a_graph_folder_and_describes_it(toy: Toy, result: HclgResult, tmp_path: Path) -> None:
    lang, model, out = tmp_path / "lang", tmp_path / "model", tmp_path / "graph"
    lang.mkdir()
    model.mkdir()
    to_pynini(toy.lexicon).write(str(lang / "L_disambig.fst"))
    to_pynini(toy.grammar).write(str(lang / "G.fst"))
    write_symbols(toy.words, lang / "words.txt")
    write_symbols(toy.phones, lang / "phones.txt")
    write_tree(toy.tree, model / "tree")
    (model / "final.mdl").write_text(text_model(toy))
    run = CliRunner().invoke(
        cli, ["graph", "compile", str(lang), str(model), str(out), "--json", "--method", "openfst"]
    )
    assert run.exit_code == 0, run.output
    assert [step["name"] for step in json.loads(run.output)["steps"]] == [
        "read",
        "forecast",
        *(step.name for step in result.steps),
    ]
    assert read_const_fst(out / "HCLG.fst").num_states == result.fst.num_states
    assert set(read_manifest(out).inputs) == {"L", "G", "tree", "model"}
    for path in (out, out / "HCLG.fst"):
        run = CliRunner().invoke(cli, ["graph", "info", str(path), "--json"])
        assert json.loads(run.output)["states"] == result.fst.num_states
    assert "det(L o G)" in CliRunner().invoke(cli, ["graph", "info", str(out)]).output
    run = CliRunner().invoke(cli, ["graph", "compile", str(lang), str(model), str(out), "--G", str(lang / "no.fst")])
    assert isinstance(run.exception, WfstAsrError)
    assert "make it with: wfst-asr lm compile" in str(run.exception)
