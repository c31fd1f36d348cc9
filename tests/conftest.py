"""Fixtures: projects made from literals, with the helpers of support.py."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from browser import Page, start
from hypothesis import settings
from sample_report import LONG, sample, sweep, write
from support import TEMPLATE, ProjectDir, clean_environment, new_project

settings.register_profile("any machine", deadline=None)  # a busy one is no fault
settings.load_profile("any machine")


@pytest.fixture
def clean_env() -> dict[str, str]:
    return clean_environment()


@pytest.fixture
def make_project(tmp_path: Path) -> Callable[[Mapping[str, str | bytes]], ProjectDir]:
    return lambda files: new_project(tmp_path / "project", files)


@pytest.fixture
def project(make_project: Callable[[Mapping[str, str | bytes]], ProjectDir]) -> ProjectDir:
    """A project with one experiment of four sub-experiments (lr x layers), not run."""
    made = make_project({"conf.yaml": TEMPLATE})
    made.mrl("new", "the first")
    made.mrl("makebatch")
    return made


@pytest.fixture
def logged(project: ProjectDir) -> ProjectDir:
    """The same with a log in each sub-experiment."""
    for n, sub in enumerate(("001", "002", "003", "004")):
        project.log(sub, (3.0 + n, 2.0 + n, 1.0 + n))
    return project


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    driver = start()
    yield driver
    driver.quit()


@pytest.fixture
def page(browser: Any) -> Page:
    browser.get_log("performance")
    return Page(browser)


@pytest.fixture(scope="session")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a report of all kinds of content."""
    return write(*sample(tmp_path_factory.mktemp("sample")))


@pytest.fixture(scope="session")
def long(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a report of many sub-experiments."""
    return write(sweep(LONG), tmp_path_factory.mktemp("long"))
