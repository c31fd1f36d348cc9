"""report: sections and overview -> pages, a task an experiment."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metarunlog import files
from metarunlog.engine.spec import VERIFY, Job, Place, Spec
from metarunlog.experiment import Experiment, SubExperiment
from metarunlog.tasks.built import Built
from metarunlog.tasks.names import REPORT, Names, Part, Waits

if TYPE_CHECKING:
    from metarunlog.report import model

#: Part of what decides staleness: raise it when the pages of the same sections change.
VERSION = 3


def spec(
    experiment: Experiment,
    names: Names,
    overviews: Sequence[Part],
    sections: Mapping[str, Sequence[Part]],
    waits: Waits,
    stale: Mapping[str, Sequence[str]],
    after: Sequence[str],
) -> Spec:
    """The pages. `sections` are by sub-experiment; `stale` names the functions whose part is older than its inputs,
    by sub-experiment, "" for overview functions: what a limited analyze leaves out."""
    ready = [part.key for parts in (overviews, *sections.values()) for part in parts if not part.waiting]
    note = experiment.config.note_fn
    runs = [f"{sub.id}/{name}" for sub in experiment.subs for name in (files.RUN, files.DONE)]
    page = names.derived(experiment.config.analysis_outfn)
    subs = [
        {
            "id": sub.id,
            "params": dict(sub.params),
            "orphan": sub.orphan,
            "waiting": waits[sub.id],
            "sections": [_place(names, part) for part in sections[sub.id]],
            "stale": list(stale.get(sub.id, ())),
        }
        for sub in experiment.subs
    ]
    shown = {
        "project": experiment.config.name,
        "outfn": experiment.config.analysis_outfn,
        "overview": [_place(names, part) for part in overviews],
        "stale": list(stale.get("", ())),
    }
    return Spec(
        name=names.task("report"),
        doc=f"the pages of {experiment.path}",
        inputs=(*ready, note, files.META, *runs),
        targets=(page,),
        args={
            "config": {k: shown[k] for k in ("project", "outfn")},
            "overview": [part.function for part in overviews],
            **{f"sub-experiment {sub['id']}": _counted(sub) for sub in subs},
        },
        versions=names.versions("report", VERSION),
        stage=REPORT,
        after=tuple(after),
        action=Job(
            "metarunlog.tasks.report:run",
            {
                "experiment_dir": str(experiment.dir),
                "root": str(experiment.root),
                "outdir": str(names.outdir),
                "note": note,
                "shown": shown,
                "subs": subs,
            },
            digests=True,
        ),
    )


def run(
    experiment_dir: str,
    root: str,
    outdir: str,
    note: str,
    shown: dict[str, Any],
    subs: list[dict[str, Any]],
    digests: Mapping[str, str | None],
) -> dict[str, Any]:
    """The action, in a worker: of each page that is not as it was, read the sections, build it, write what changed."""
    from metarunlog.report import model, pages

    folder = Path(experiment_dir)
    meta = files.read_json(folder / files.META) or {}
    there = [{n for n in (files.RUN, files.DONE) if digests[f"{folder}/{sub['id']}/{n}"]} for sub in subs]
    runs = [_run(folder, sub["id"]) if files.RUN in names else None for sub, names in zip(subs, there)]
    book = pages.Book(
        model.Report(
            project=shown["project"],
            expId=meta.get("expId", 0),
            description=str(meta.get("description") or ""),
            gitHash=str(meta.get("gitHash") or ""),
            gitDescription=str(meta.get("gitDescription") or ""),
            dirty=bool(meta.get("dirty")),
            timestamp=str(meta.get("timestamp") or ""),
            user=str(meta.get("user") or ""),
            note=_text(folder / note),
            since=min(_times(runs, "started"), default=(0, ""))[1],
            until=max(_times(runs, "ended"), default=(0, ""))[1],
            subexps=tuple(_head(sub, run, files.DONE in names) for sub, run, names in zip(subs, runs, there)),
            stale=tuple(shown["stale"]),
            outfn=shown["outfn"],
        )
    )
    place = Place(Path(root), folder)
    kept = folder / files.MEMORY / files.KEPT / "report"
    built = Built(kept, place, Path(outdir), VERSION, trust=VERIFY not in os.environ)
    scripts = set[str]()
    rest = iter(subs)
    for number, (name, chunk) in enumerate(zip(book.names, book.chunks, strict=True)):
        overview = shown["overview"] if number == 0 else []
        places = [next(rest)["sections"] for _ in chunk]
        parts = [[function, waiting, digests.get(path or "")] for function, path, waiting in chain(overview, *places)]
        of = [book.shared, chunk, parts, book.of_first if number == 0 else None]
        known = built.scripts(name, of)
        if known is None:
            made = book.page(number, [_section(*one) for one in overview], list(map(_with_sections, chunk, places)))
            built.add(name, of, made)
            known = made.scripts
        scripts |= set(known)
    built.share({**pages.assets(scripts), pages.VERSION: pages.version(built.digests)})
    return {"targets": built.finish()}


def _place(names: Names, part: Part) -> tuple[str, str | None, str | None]:
    """Function name, path of the section file, and for what it waits."""
    return part.function, None if part.waiting else names.path(part.key), part.waiting


def _counted(sub: Mapping[str, Any]) -> dict[str, Any]:
    """What of a sub-experiment counts for the pages beside the files."""
    return {**sub, "sections": [[function, waiting] for function, _, waiting in sub["sections"]]}


def _section(function: str, path: str | None, waiting: str | None) -> tuple[str, tuple[dict[str, Any], ...]]:
    from metarunlog.report import blocks

    if path is None:
        return function, (blocks.waiting_block(waiting or "waiting"),)
    try:
        return function, tuple(blocks.load_section(Path(path).read_bytes())[1])
    except OSError:
        return function, (blocks.waiting_block("not made yet"),)
    except blocks.ReturnError as error:
        return function, (blocks.error_block(function, str(error), ""),)


def _head(sub: Mapping[str, Any], run: Mapping[str, Any] | None, done: bool) -> model.SubExp:
    """What is known of a sub-experiment without its sections; `done`: it was marked so."""
    from metarunlog.report import model

    has_logs = "waiting" if sub["waiting"] else "has logs"
    return model.SubExp(
        id=sub["id"],
        params=sub["params"],
        state=str(run["state"]) if run else "done" if done else has_logs,
        orphan=sub["orphan"],
        stale=tuple(sub["stale"]),
    )


def _run(folder: Path, id: str) -> Mapping[str, Any] | None:
    return SubExperiment(id, folder / id, {}, False).run


def _times(runs: Iterable[Mapping[str, Any] | None], key: str) -> Iterator[tuple[float, str]]:
    """Seconds since 1970, and the text, of what run records say of it."""
    from metarunlog.analysis.cards import when

    for run in runs:
        text = run.get(key) if run else None
        time = when(text)
        if time and isinstance(text, str):
            yield time.timestamp(), text


def _with_sections(head: model.SubExp, places: Sequence[tuple[str, str | None, str | None]]) -> model.SubExp:
    sections = tuple(_section(*place) for place in places)
    views = [block["data"] for _, blocks in sections for block in blocks if block["type"] == "view"]
    return replace(head, sections=sections, partial=any(bool(view.get("curves", {}).get("partial")) for view in views))


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8", "replace")
    except OSError:
        return ""
