"""metarunlog: a make for machine-learning experiments.

The public API, loaded on first use so that ``import metarunlog`` stays light:

``load(subExpDir)``
    the parsed logs of one sub-experiment, a dict from table name to DataFrame
``summary(expDir, params=False)``
    a DataFrame with last, lowest and highest value of each metric, a row a sub-experiment
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metarunlog.logs import load, summary

__version__ = "0.1.0"
__all__ = ["__version__", "load", "summary"]


def __getattr__(name: str) -> Any:
    if name in ("load", "summary"):
        from metarunlog import logs

        return getattr(logs, name)
    raise AttributeError(f"module 'metarunlog' has no attribute {name!r}")
