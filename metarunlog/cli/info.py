"""`mrl info [EXP]`."""

from __future__ import annotations

import argparse
from collections import Counter

from metarunlog.cli import common
from metarunlog.cli import parser as options
from metarunlog.cli.ls import about


def configure(parser: argparse.ArgumentParser) -> None:
    options.experiment(parser)
    options.json_output(parser)


def run(args: argparse.Namespace) -> int:
    experiment = common.project().experiment(args.exp)
    states = Counter(sub.state or "not run" for sub in experiment.subs)
    facts = {**about(experiment), "subExps": len(experiment.subs), "runs": dict(sorted(states.items()))}
    if args.json:
        common.print_json(facts)
        return 0
    facts["runs"] = ", ".join(f"{n} {state}" for state, n in sorted(states.items())) or "none"
    for name, value in facts.items():
        print(f"{name}: {_shown(value)}".rstrip())
    return 0


def _shown(value: object) -> object:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else value
