"""The graph of an experiment: one definition, read by `mrl analyze`, `mrl status`, `mrl doit` and plain doit."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from metarunlog import analysis as builtin
from metarunlog import files
from metarunlog.engine.journal import Journal
from metarunlog.engine.spec import Graph, Spec
from metarunlog.errors import InputError
from metarunlog.experiment import Experiment
from metarunlog.tasks import overview, parse, report, section
from metarunlog.tasks.function import Functions
from metarunlog.tasks.names import Names, Part, Waits, package_versions


def analysis(
    experiment: Experiment,
    *,
    functions: Functions | None = None,
    outdir: Path | None = None,
    stale: Mapping[str, Sequence[str]] | None = None,
    settled: Waits | None = None,
) -> Graph:
    """Parse, sections, overview, report. `stale` names functions, by sub-experiment, whose part is marked as old.

    `settled` are sub-experiments of which it is known that nothing is to be done: their tasks are left out.
    """
    names = Names(experiment, outdir or experiment.analysis_dir)
    functions = functions or Functions(experiment.root)
    settled = settled or {}
    specs = {spec.name: spec for spec in _analysis(experiment, functions, names, stale or {}, settled)}
    graph = _graph(experiment, names, specs)
    return replace(graph, left_out=partial(_is_of, settled)) if settled else graph


def everything(experiment: Experiment, functions: Functions, *, launches: bool) -> Graph:
    """The analysis, and before it the batch, and, for doit, the launches."""
    names = Names(experiment, experiment.analysis_dir)
    specs: dict[str, Spec] = {}
    specs.update((spec.name, spec) for spec in batch(experiment))
    if launches:
        from metarunlog.tasks import launch

        for sub in experiment.subs:
            spec = launch.spec(experiment, sub, names)
            specs[spec.name] = spec
    specs.update(analysis(experiment, functions=functions).specs)
    return _graph(experiment, names, specs)


def made_of_subs(experiment: Experiment) -> Callable[[str], tuple[list[Path], bytes]]:
    """What analysis made of a sub-experiment, by id: its files, and the lines of the journal that are about them."""
    graph = analysis(experiment)
    journal = Journal(graph.journal_path)
    tasks: dict[str, list[str]] = {}
    for spec in graph.specs.values():
        if spec.name.startswith(("parse:", "section:")):
            tasks.setdefault(spec.short.partition(":")[2].partition("/")[0], []).append(spec.short)

    def made(sub_id: str) -> tuple[list[Path], bytes]:
        mine = tasks.get(sub_id, [])
        keys = {key for task in mine for key in (journal.get(task) or {"out": ()})["out"]}
        return [Path(graph.place.path(key)) for key in sorted(keys)], journal.lines(mine)

    return made


def _is_of(subs: Collection[str], short: str) -> bool:
    """Whether a task is of one of some sub-experiments, by its name in the journal."""
    kind, _, inner = short.partition(":")
    return kind in ("parse", "section") and inner.partition("/")[0] in subs


def _graph(experiment: Experiment, names: Names, specs: Mapping[str, Spec]) -> Graph:
    aside = names.outdir != experiment.analysis_dir
    return Graph(names.place, specs, names.outdir, experiment.memory, experiment.dir / files.CODE, aside)


def batch(experiment: Experiment) -> Iterator[Spec]:
    """The makebatch tasks; a template that is broken or missing is a task that says so."""
    from metarunlog import batch as batch_module
    from metarunlog.tasks import makebatch

    names = Names(experiment, experiment.analysis_dir)
    try:
        plan = batch_module.plan(experiment)
    except InputError as error:
        if experiment.config.confTemplFile and any(
            (experiment.dir / n).exists() for n in experiment.config.confTemplFile
        ):
            yield makebatch.broken(names, error)
        return
    yield from makebatch.specs(plan, names)


def _analysis(
    experiment: Experiment,
    functions: Functions,
    names: Names,
    stale: Mapping[str, Sequence[str]],
    settled: Waits,
) -> Iterator[Spec]:
    config = experiment.config
    package_versions.cache_clear()  # --watch goes on for days: packages may be others by now
    subs = [sub for sub in experiment.subs if sub.id not in settled]
    parses = {sub.id: parse.spec(experiment, sub, functions, names) for sub in subs}
    yield from parses.values()
    before = [spec.name for spec in parses.values()]
    for sub in subs:
        made: list[str] = []
        for entry in config.analysis_subexp:
            spec = section.spec(experiment, sub, entry, functions, names, parses[sub.id], made)
            made.append(spec.name)
            yield spec
        before += made
    waits = {sub.id: parses[sub.id].waiting if sub.id in parses else settled[sub.id] for sub in experiment.subs}
    everything = overview.Everything.of(experiment, names, waits)
    overviews: list[Part] = []
    parsed = [spec.name for spec in parses.values()]
    sharing: dict[str, str] = {}  # what the built-in functions keep -> the last that does
    for entry in config.analysis_overview:
        after = before
        if functions.is_builtin(entry.function, builtin.OVERVIEW):  # it reads nothing that other functions make
            kind = builtin.KEPT[entry.function]
            after = [*parsed, *([sharing[kind]] if kind in sharing else [])]
            sharing[kind] = names.task("overview", entry.function)
        spec = overview.spec(experiment, entry, functions, names, everything, after)
        before = [*before, spec.name]
        overviews.append(Part(entry.function, spec.targets[0], spec.waiting))
        yield spec
    sections = {
        id_: [section.part(names, id_, entry, waiting) for entry in config.analysis_subexp]
        for id_, waiting in waits.items()
    }
    yield report.spec(experiment, names, overviews, sections, waits, stale, before)
