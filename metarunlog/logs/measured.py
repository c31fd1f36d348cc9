"""What the names and values of a JSON document tell: whether they were measured, one after the other."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

NUMBERS = (int, float)
CELLS = (int, float, type(None))
_NAMES = """
loss losses acc accs accuracy accuracies err error errors reward rewards return returns score scores fitness objective
f1 auc auroc mse mae rmse r2 ppl perplexity bleu rouge iou miou map ap precision recall psnr ssim fid nll elbo logloss
top1 top5 acc1 acc5 wer cer dice mcc ndcg
"""
_MEASURES = frozenset(_NAMES.split())
SPLITS = frozenset(("train", "training", "val", "valid", "validation", "eval", "dev", "test"))
#: words of names whose numbers are of classes, folds or colours, not of steps
NO_STEPS = frozenset(
    ("per", "class", "classes", "label", "labels", "fold", "folds", "cv", "mean", "std", "avg", "average", "confusion")
)


def are_numbers(values: Iterable[Any]) -> bool:
    """Whether all are numbers, or null."""
    return set(map(type, values)) <= set(CELLS)


def rises(values: Sequence[Any]) -> bool:
    """Whether whole numbers go up all the time."""
    whole = all(type(value) is int or (type(value) is float and value.is_integer()) for value in values)
    return whole and len(values) > 1 and all(one < two for one, two in pairwise(values))


def words_of(name: str) -> set[str]:
    return set(_split_name(name))


def _split_name(name: str) -> list[str]:
    return [word for word in re.split(r"[^a-z0-9]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()) if word]


def is_measure(name: str) -> bool:
    """Whether the last word of a name is one of what is measured: val_loss, but not loss_weight."""
    words = _split_name(name)
    return bool(words) and words[-1] in _MEASURES
