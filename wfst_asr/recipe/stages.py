"""Recipes: named stages with inputs, options and one folder of output each, made again only when something changed.

A stage is a function of the package, called with its inputs (files and folders), its options (values) and `out_dir` by
keyword; what it is not given it cannot depend on.  Its key is the hash of all of these, by content, and of the
function's name.  The function writes into a folder aside, which takes its place when the function is done.
"""

import fcntl
import inspect
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from wfst_asr.atomic_files import check_writable_folder
from wfst_asr.errors import WfstAsrError
from wfst_asr.recipe.content_hash import ContentHashes, digest_of, files_in
from wfst_asr.recipe.stage_record import (
    RECORDS,
    StageRecord,
    figures_of,
    plain,
    read_record,
    record_path,
    write_record,
)
from wfst_asr.recipe.usage import measured


@dataclass(frozen=True)
class Stage:
    """One step of a recipe.

    Attributes:
        name: what the command line calls it.
        function: called with inputs, options, `out_dir`, and where it takes them `num_jobs` and the recipe's callbacks
            for progress, all by keyword; a mapping or a record that it returns gives the stage's figures.
        inputs: file, folder, several of them, or None (not given), by the function's parameter.
        options: values by the function's parameter: numbers, texts, records (dataclasses) and tuples of these.
        output: the folder that it makes.
        aliases: other names.
        resumable: what an interrupted call left in its folder is there when the same call is made again.
    """

    name: str
    function: Callable[..., object]
    inputs: Mapping[str, Path | tuple[Path, ...] | None]
    options: Mapping[str, object]
    output: Path
    aliases: tuple[str, ...] = ()
    resumable: bool = False


@dataclass(frozen=True)
class StageResult:
    """What a stage made, in this run or in an earlier one.

    Attributes:
        name: of the stage.
        made: in this run; False where nothing had changed.
        figures: numbers and texts that the function returned.
        cpu_seconds: that it took when it was made, child processes included.
        wall_seconds: likewise.
        peak_mb: likewise.
    """

    name: str
    made: bool
    figures: Mapping[str, Any]
    cpu_seconds: float
    wall_seconds: float
    peak_mb: float


class Recipe:
    """The stages of a recipe, in order; a page adds them, `run` makes what is out of date.

    Args:
        name: of the recipe.
        work: folder that the stages' folders are made in.
        num_jobs: processes, for functions that take `num_jobs`; results must not depend on it.
        told: functions to tell progress to, by the name of the parameter that they are for, such as `step`.

    >>> import tempfile
    >>> def greet(out_dir: Path, name: str) -> dict[str, int]:
    ...     _ = (out_dir / "greeting.txt").write_text(f"hello {name}")
    ...     return {"letters": len(name)}
    >>> recipe = Recipe("example", tempfile.mkdtemp())
    >>> folder = recipe.stage("greet", greet, {}, {"name": "you"})
    >>> [(result.made, result.figures["letters"]) for _ in range(2) for result in recipe.run()]
    [(True, 3), (False, 3)]
    >>> (folder / "greeting.txt").read_text()
    'hello you'
    """

    def __init__(
        self,
        name: str,
        work: str | os.PathLike[str],
        *,
        num_jobs: int = 1,
        told: Mapping[str, Callable[..., None]] | None = None,
    ) -> None:
        if num_jobs < 1:
            raise WfstAsrError(f"num_jobs is {num_jobs}; expected at least 1")
        self.name = name
        self.work = Path(work)
        self.num_jobs = num_jobs
        self.told = dict(told or {})
        self.stages: list[Stage] = []

    def stage(
        self,
        name: str,
        function: Callable[..., object],
        inputs: Mapping[str, str | os.PathLike[str] | Sequence[Path] | None],
        options: Mapping[str, object] | None = None,
        *,
        output: str | None = None,
        aliases: tuple[str, ...] = (),
        resumable: bool = False,
    ) -> Path:
        """Add a stage and return the folder that it makes, below `work`; see `Stage`.

        Args:
            name: of the stage.
            function: that makes it.
            inputs: by parameter.
            options: by parameter.
            output: name of the folder; None: the stage's.
            aliases: other names.
            resumable: the function goes on from what an interrupted call left.

        Raises:
            WfstAsrError: a stage of this name, or with this folder, is there already.
        """
        folder = self.work / (output or name)
        for other in self.stages:
            if {name, *aliases} & {other.name, *other.aliases} or other.output == folder:
                raise WfstAsrError(f"recipe '{self.name}': stage '{name}' is there twice, as '{other.name}'")
        paths = {
            key: tuple(map(Path, value)) if isinstance(value, list | tuple) else None if value is None else Path(value)  # type: ignore[arg-type]
            for key, value in inputs.items()
        }
        self.stages.append(Stage(name, function, paths, dict(options or {}), folder, aliases, resumable))
        return folder

    def find(self, name: str) -> int:
        """Return the place of a stage.

        Raises:
            WfstAsrError: there is no such stage; the sentence lists them.
        """
        for index, stage in enumerate(self.stages):
            if name in (stage.name, *stage.aliases):
                return index
        names = ", ".join(stage.name for stage in self.stages)
        raise WfstAsrError(f"recipe '{self.name}' has no stage '{name}'; its stages are: {names}")

    def run(
        self,
        *,
        start: str | None = None,
        until: str | None = None,
        only: Sequence[str] = (),
        report: Callable[[int, int, Stage, StageResult | None], None] | None = None,
    ) -> list[StageResult]:
        """Make the stages that are out of date and return the results of all.

        Args:
            start: this stage and those after it are made whether anything changed or not.
            until: the last stage.
            only: make these stages, changed or not, and look at no other.
            report: called with (number from 1, of how many, stage, None) before a stage is made, and with its result
                when it is made or found to be current.

        Raises:
            WfstAsrError: an unknown stage, an input that is missing, another run in the same folder, or what a
                stage's function raises.
        """
        forced = set(range(self.find(start), len(self.stages))) if start is not None else set()
        chosen = range(len(self.stages)) if until is None else range(self.find(until) + 1)
        if only:
            chosen_only = sorted({self.find(name) for name in only})
            forced |= set(chosen_only)
        places = chosen_only if only else list(chosen)
        results = []
        with _only_run_in(self.work):
            run = _Run(self)
            for number, index in enumerate(places, start=1):
                stage = self.stages[index]
                begin = partial(report, number, len(places), stage, None) if report else None
                result = run.make(stage, forced=index in forced, begin=begin)
                results.append(result)
                if report:
                    report(number, len(places), stage, result)
        return results

    def results(self) -> list[StageResult]:
        """Return the results of the stages that have been made, as recorded."""
        found = [(stage, read_record(self.work, stage.name)) for stage in self.stages]
        return [_result_of(record, made=False) for _, record in found if record is not None]


class _Run:
    """One run over the stages: the hashes known, and which files each folder had when it was made."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.hashes = ContentHashes(recipe.work / RECORDS / "hashes.json")
        self.outputs: dict[Path, list[str]] = {}
        for stage in recipe.stages:
            record = read_record(recipe.work, stage.name)
            if record is not None:
                self.outputs[stage.output] = sorted(record.outputs)

    def make(self, stage: Stage, *, forced: bool, begin: Callable[[], None] | None = None) -> StageResult:
        """Make a stage unless it is current; `begin` is called before it is made."""
        inputs = {name: self._input_hash(stage, value) for name, value in stage.inputs.items()}
        options = {name: plain(value) for name, value in stage.options.items()}
        function = f"{stage.function.__module__}.{stage.function.__qualname__}"
        key = digest_of(
            {"function": function, "inputs": digest_of(inputs), "options": json.dumps(options, sort_keys=True)}
        )
        record = read_record(self.recipe.work, stage.name)
        if not forced and record is not None and record.key == key and self._is_there(stage.output, record):
            self.hashes.save()
            return _result_of(record, made=False)
        if begin:
            begin()
        record = StageRecord(stage.name, key, inputs, options, {})
        with self._folder_aside(stage, key) as aside:
            arguments: dict[str, object] = {**stage.inputs, **stage.options, "out_dir": aside}
            offered = {"num_jobs": self.recipe.num_jobs, **self.recipe.told}
            taken = inspect.signature(stage.function).parameters
            arguments.update({name: value for name, value in offered.items() if name in taken})
            with measured() as usage:
                returned = stage.function(**arguments)
            record.figures = figures_of(returned)
            record.cpu_seconds, record.wall_seconds = usage.cpu_seconds, usage.wall_seconds
            record.peak_mb = usage.peak_mb
        record.outputs = self.hashes.of_files(stage.output)
        self.outputs[stage.output] = sorted(record.outputs)
        write_record(self.recipe.work, record)
        self.hashes.save()
        return _result_of(record, made=True)

    def _input_hash(self, stage: Stage, value: Path | tuple[Path, ...] | None) -> str:
        if value is None:
            return "not given"
        if isinstance(value, tuple):
            return digest_of({str(number): self._input_hash(stage, path) for number, path in enumerate(value)})
        if value.is_dir():
            names = self._names_in(value)
            if names is None:  # a corpus may have the work folder in it
                own = self.recipe.work.absolute()
                names = [name for name in files_in(value) if own not in (value / name).absolute().parents]
            return digest_of(self.hashes.of_files(value, names))
        if value.exists():
            return self.hashes.of_file(value)
        maker = next((s.name for s in self.recipe.stages if s.output == value or s.output in value.parents), None)
        remedy = f"run the stage '{maker}' first" if maker else "name it with an option, or put it there"
        raise WfstAsrError(f"stage '{stage.name}' needs {value}, which is not there; {remedy}")

    def _names_in(self, folder: Path) -> list[str] | None:
        """Return the files that a stage put into a folder: what was added later, such as a decoder's own arrays, is
        no input; None for a folder that no stage made.
        """
        for output, names in self.outputs.items():
            if folder == output:
                return names
            if output in folder.parents:
                inside = folder.relative_to(output).as_posix() + "/"
                return [name.removeprefix(inside) for name in names if name.startswith(inside)]
        return None

    def _is_there(self, folder: Path, record: StageRecord) -> bool:
        """Tell whether the output is as it was made; files added later do not matter."""
        try:
            return bool(record.outputs) and self.hashes.of_files(folder, record.outputs) == record.outputs
        except WfstAsrError:
            return False

    @contextmanager
    def _folder_aside(self, stage: Stage, key: str) -> Iterator[Path]:
        """Yield a folder that takes the output's place when the block ends; what is in it stays if it is resumable."""
        aside = stage.output.with_name(f".{stage.output.name}.part")
        note = record_path(self.recipe.work, stage.name).with_suffix(".part")
        if not (stage.resumable and note.exists() and note.read_text("utf-8") == key):
            shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True, exist_ok=True)
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(key, encoding="utf-8")
        done = False
        try:
            yield aside
            if not files_in(aside):
                raise WfstAsrError(f"stage '{stage.name}' left no file in its folder")
            record_path(self.recipe.work, stage.name).unlink(missing_ok=True)
            if stage.output.exists():
                old = stage.output.with_name(f".{stage.output.name}.old")
                shutil.rmtree(old, ignore_errors=True)
                stage.output.rename(old)
                shutil.rmtree(old, ignore_errors=True)
            aside.rename(stage.output)
            done = True
        finally:
            if done or not stage.resumable:
                shutil.rmtree(aside, ignore_errors=True)
                note.unlink(missing_ok=True)


def _result_of(record: StageRecord, *, made: bool) -> StageResult:
    return StageResult(record.name, made, record.figures, record.cpu_seconds, record.wall_seconds, record.peak_mb)


@contextmanager
def _only_run_in(work: Path) -> Iterator[None]:
    """Hold the folder for one run; the system lets it go when the process ends, however it ends."""
    check_writable_folder(work)
    (work / RECORDS).mkdir(parents=True, exist_ok=True)
    with open(work / RECORDS / "lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise WfstAsrError(f"{work}: another run is at work there; wait for it or choose another --work") from None
        except OSError:  # a file system without locks
            pass
        yield
