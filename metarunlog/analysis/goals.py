"""Which way a metric is good, judged by its name: a loss is low, an accuracy high, a learning rate neither."""

from __future__ import annotations

import re

LOW = "low"
HIGH = "high"

_LOW = re.compile(
    r"loss|err(or)?s?\b|error|cost|\b(mse|rmse|mae|mape|nll|ppl|wer|cer|per|fid|kl|elbo|bce|ce|eer|brier|regret)\b|perplex"
    r"|entropy|diverg|distance|residual|miss"
)
_NEITHER = re.compile(
    r"\b(lr|step|steps|epoch|epochs|iter|iters|iteration|time|t|sec|secs|seconds|elapsed|duration|eta|ms|wall|walltime|norm|"
    r"gnorm|mem|memory|gpu|cpu|rate|size|seed|batch|beta|temperature|samples|tokens|examples|fps|throughput)\b|learning.?rate"
)
_HELD_OUT = re.compile(r"\b(val|valid|validation|test|dev|eval|heldout|holdout)")


def _words(name: str) -> str:
    """``valLoss/top-1`` as ``val loss top 1``."""
    return re.sub(r"[^a-z0-9]+", " ", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower())


def goal(metric: str) -> str | None:
    """``low``, ``high``, or None for a metric where neither end is good (time, step, learning rate)."""
    words = _words(metric)
    if _LOW.search(words):
        return LOW
    return None if _NEITHER.search(words) else HIGH


def stat(metric: str) -> str:
    """The statistic that sums up a run: its lowest loss, its highest score, the last of the others."""
    return {LOW: "min", HIGH: "max", None: "last"}[goal(metric)]


def rank(metric: str) -> tuple[bool, bool]:
    """A sort key: metrics with a goal before those without, held-out data before training data."""
    return (goal(metric) is None, not _HELD_OUT.search(_words(metric)))
