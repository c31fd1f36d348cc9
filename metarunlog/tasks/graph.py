"""The graph of an experiment: one definition, read by `mrl analyze`, `mrl status`, `mrl doit` and plain doit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from metarunlog import files
from metarunlog.engine.journal import Journal
from metarunlog.engine.spec import Graph, Spec
from metarunlog.errors import InputError
from metarunlog.experiment import Experiment
from metarunlog.tasks import overview, parse, report, section
from metarunlog.tasks.function import Functions
from metarunlog.tasks.names import Names, package_versions


def analysis(
    experiment: Experiment,
    *,
    functions: Functions | None = None,
    outdir: Path | None = None,
    stale: Mapping[str, Sequence[str]] | None = None,
) -> Graph:
    """Parse, sections, overview, report. `stale` names functions, by sub-experiment, whose part is marked as old."""
    names = Names(experiment, outdir or experiment.analysis_dir)
    functions = functions or Functions(experiment.root)
    specs = {spec.name: spec for spec in _analysis(experiment, functions, names, stale or {})}
    return _graph(experiment, names, specs)


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
) -> Iterator[Spec]:
    config = experiment.config
    package_versions.cache_clear()  # --watch goes on for days: packages may be others by now
    parses = [parse.spec(experiment, sub, functions, names) for sub in experiment.subs]
    yield from parses
    sections: dict[str, list[Spec]] = {}
    for sub, parsed in zip(experiment.subs, parses, strict=True):
        made = sections[sub.id] = []
        for entry in config.analysis_subexp:
            made.append(section.spec(experiment, sub, entry, functions, names, parsed, [s.name for s in made]))
        yield from made
    before = [s.name for s in parses] + [s.name for specs in sections.values() for s in specs]
    overviews: list[Spec] = []
    for entry in config.analysis_overview:
        overviews.append(overview.spec(experiment, entry, functions, names, parses, before))
        before = [*before, overviews[-1].name]
        yield overviews[-1]
    yield report.spec(experiment, names, overviews, sections, parses, stale)
