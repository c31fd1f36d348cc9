"""`mrl last`."""

from __future__ import annotations

import argparse

from metarunlog.cli import common


def configure(parser: argparse.ArgumentParser) -> None:
    pass


def run(args: argparse.Namespace) -> int:
    print(common.shown(common.project().experiment("last").dir))
    return 0
