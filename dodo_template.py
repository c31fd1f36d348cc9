"""Makes plain doit work in this project: `doit list`, `doit run report:0001`, ... Add tasks of your own below."""

from metarunlog.tasks import *  # noqa: F403  (DOIT_CONFIG and the task creators)
