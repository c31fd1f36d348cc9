"""Project: find the root, list, open and create experiments."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from metarunlog import config as config_module
from metarunlog import files
from metarunlog.config import Config, number_in
from metarunlog.errors import ConfigError, GitError, InputError, NoSuchError
from metarunlog.experiment import Experiment


def _quiet(_: str) -> None:
    pass


class Project:
    """A git repository with `.mrl.cfg`. `here` is the folder it was found from; `warn` takes lines for the user."""

    def __init__(self, root: Path, here: Path, warn: Callable[[str], None] = _quiet) -> None:
        self.root = root
        self.here = here
        self.warn = warn

    @classmethod
    def find(cls, here: Path, warn: Callable[[str], None] = _quiet) -> Project:
        """The project that `here` belongs to; NoSuchError where there is none."""
        inside = experiment_around(here)
        for folder in (inside or here, *(inside or here).parents):
            if inside is None and (folder / files.CONFIG).is_file():
                return cls(folder, here, warn)
            if inside is not None and folder != inside and _holds(folder, inside):
                return cls(folder, here, warn)
        raise NoSuchError(f"no {files.CONFIG} in {here} or above; `mrl init OUTDIR` makes one")

    @cached_property
    def config(self) -> Config:
        config = config_module.read(self.root / files.CONFIG, None, self.root, self.warn)
        if not config.outdir:
            raise ConfigError('"outdir" is missing; add "outdir": "exp"', file=files.CONFIG, line=1)
        return config

    @property
    def outdir(self) -> Path:
        return self.root / self.config.outdir

    def experiment_dirs(self) -> list[tuple[int, Path]]:
        """Number and folder of every experiment, lowest first."""
        fmt = self.config.singleExpFormat
        try:
            names = os.listdir(self.outdir)
        except FileNotFoundError:
            return []
        numbered = [(n, self.outdir / name) for name in names if (n := number_in(name, fmt, "expId")) is not None]
        return sorted((n, folder) for n, folder in numbered if (folder / files.META).is_file())

    def experiments(self) -> list[Experiment]:
        """All experiments, lowest number first."""
        return [self._open(number, folder) for number, folder in self.experiment_dirs()]

    def experiment(self, word: str | None = None) -> Experiment:
        """The experiment that `word` names: a number, `last`, a folder; None is the one we are in, else the last."""
        if word is None:
            inside = experiment_around(self.here)
            word = str(inside) if inside else "last"
        return self._open(*self._locate(word))

    def experiment_sub(self, word: str) -> tuple[Experiment, str]:
        """The experiment and the id that EXP/SUB names: `3/12`, `last/012`, or the folder's path."""
        experiment, sub = self.experiment_and_sub(word)
        return experiment, experiment.sub(sub).id

    def experiment_and_sub(self, word: str) -> tuple[Experiment, str]:
        """The two parts of EXP/SUB; there may be no such sub-experiment in the experiment."""
        folder = (self.here / word).resolve()
        if (folder.parent / files.META).is_file() and (folder.parent / files.CONFIG).is_file():
            return self.experiment(str(folder.parent)), folder.name
        first, _, second = word.rstrip("/").rpartition("/")
        if not first:
            raise NoSuchError(f"'{word}' names no sub-experiment; write EXP/SUB, as in 3/12")
        return self.experiment(first), second

    def names_experiment(self, word: str) -> bool:
        """Whether `word` can only mean an experiment: a number, `last`, or the folder of one."""
        return (word.isascii() and word.isdigit()) or word == "last" or (self.here / word / files.META).is_file()

    def _locate(self, word: str) -> tuple[int, Path]:
        known = self.experiment_dirs()
        if word == "last":
            if not known:
                raise NoSuchError("there is no experiment yet; `mrl new` makes one")
            return known[-1]
        for number, folder in known:
            if (word.isascii() and word.isdigit() and int(word) == number) or word == folder.name:
                return number, folder
        folder = (self.here / word).resolve()
        for number, known_folder in known:
            if known_folder.resolve() == folder:
                return number, known_folder
        first, _, second = word.rstrip("/").rpartition("/")
        if second.isdigit() and any(first in (str(n), known_folder.name, "last") for n, known_folder in known):
            raise NoSuchError(f"{word} is a sub-experiment; name its experiment, and with --only {int(second)} just it")
        raise NoSuchError(f"there is no experiment {word or 'without a name'}; `mrl ls` lists them")

    def open(self, folder: Path) -> Experiment:
        """The experiment in a folder that is known to be one."""
        number = number_in(folder.name, self.config.singleExpFormat, "expId")
        return self._open(0 if number is None else number, folder)

    def _open(self, number: int, folder: Path) -> Experiment:
        return Experiment(self.root, folder, number, self._config_of(folder))

    def _config_of(self, folder: Path) -> Config:
        return config_module.read(self.root / files.CONFIG, folder / files.CONFIG, self.root, self.warn)

    def create(
        self, description: str, *, copy_from: str | None, uncommitted: bool, fail_untracked: bool, dry_run: bool = False
    ) -> Path:
        """Make the next experiment at the current commit and return its folder.

        `copy_from` names the experiment whose `copyFiles` are taken, `no` none; None is the last, and the project root
        for what that has not. GitError where the work tree is not clean and `uncommitted` is false.
        """
        import shutil
        from datetime import datetime

        from metarunlog import git

        top = git.top_of(self.root)
        commit = git.head(top)
        changes = git.changes(top)
        dirty = (*changes.tracked, *(changes.untracked if fail_untracked else ()))
        if dirty and not uncommitted:
            raise GitError(self._say_dirty(top, dirty))
        set_up = {os.path.relpath(self.root / name, top) for name in SETUP_FILES}
        if not uncommitted and changes.untracked and set(changes.untracked) <= set_up:
            self.warn(f"not in the experiment's code yet; to commit: {commit_command(top, changes.untracked)}")
        if uncommitted:
            modules = sorted(set(changes.tracked) & set(git.submodules(top)))
            if modules:
                raise GitError(f"the submodule {modules[0]} has changes, which a patch cannot take along; commit them")
        known = self.experiment_dirs()
        if copy_from == "no":
            sources = []
        elif copy_from is None:  # a file that the last experiment has not may be new in the project
            sources = [*(folder for _, folder in known[-1:]), self.root]
        else:
            sources = [self._locate(copy_from)[1]]
        for name in self.config.confTemplFile:
            if sources and not any((folder / name).is_file() for folder in sources):
                self.warn(f"there is no {name} to start from: confTemplFile and copyFiles in {files.CONFIG} name it")
        if dry_run:
            return self.outdir / self.config.singleExpFormat.format(expId=self._free_number())

        self.outdir.mkdir(parents=True, exist_ok=True)
        # filled under a name that is no experiment's, then renamed: an experiment appears whole or not at all
        tmp = self.outdir / f".mrl.tmp-{os.urandom(6).hex()}"
        tmp.mkdir()
        try:
            meta: dict[str, Any] = {
                "expId": 0,
                "basedir": str(self.root),
                "gitHash": commit.hash,
                "gitDescription": commit.subject,
                "timestamp": datetime.now().astimezone().isoformat(timespec="seconds"),
                "user": _user(),
                "description": description,
                "gitFailUntracked": "yes" if fail_untracked else "no",
                "dirty": bool(dirty),
            }
            git.checkout(top, commit.hash, tmp / files.CODE)
            if uncommitted:
                patch, left_out = git.patch(top, tmp / ".index")
                (tmp / ".index").unlink(missing_ok=True)
                (tmp / files.PATCH).write_bytes(patch)
                git.apply(tmp / files.CODE, tmp / files.PATCH)
                meta |= {"dirty": bool(patch or left_out), "untrackedTooLarge": left_out}
            for name in self.config.copyFiles:
                found = [folder / name for folder in sources if (folder / name).is_file()]
                if found:
                    (tmp / name).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(found[0], tmp / name)  # with its mode
            (tmp / files.CONFIG).write_text("{}\n")
            (tmp / self.config.note_fn).write_text("")
            folder = self._take_number(tmp, meta)
        except BaseException:
            shutil.rmtree(tmp, ignore_errors=True)
            raise
        newest = self.experiment_dirs()[-1][1]
        files.symlink(self.root / files.LAST, os.path.relpath(newest, self.root))
        return folder

    def _take_number(self, tmp: Path, meta: dict[str, Any]) -> Path:
        """Rename to the next free number. Renaming onto a folder that holds anything fails, so none is taken twice."""
        fmt = self.config.singleExpFormat
        while True:
            number = self._free_number()
            files.write(tmp / files.META, files.to_json({**meta, "expId": number}))
            folder = self.outdir / fmt.format(expId=number)
            try:
                os.rename(tmp, folder)
                return folder
            except OSError:
                if not folder.exists():
                    raise

    def _free_number(self) -> int:
        """One above all folders that could be an experiment's."""
        fmt = self.config.singleExpFormat
        names = os.listdir(self.outdir) if self.outdir.exists() else []
        return max((n for name in names if (n := number_in(name, fmt, "expId")) is not None), default=0) + 1

    def _say_dirty(self, top: Path, dirty: Collection[str]) -> str:
        shown = ", ".join(sorted(dirty)[:3]) + (f" and {len(dirty) - 3} more" if len(dirty) > 3 else "")
        if set(dirty) <= {os.path.relpath(self.root / name, top) for name in SETUP_FILES}:
            return f"{shown}: not committed yet; first run: {commit_command(top, dirty)}"
        return f"uncommitted changes ({shown}); commit them, or use -nc to take them along as a patch"


IGNORE = ".gitignore"
SETUP_FILES = (files.CONFIG, files.DODO, IGNORE)


def commit_command(top: Path, names: Collection[str]) -> str:
    """The command that commits what `mrl init` wrote."""
    import shlex

    return f"git add {shlex.join(sorted(names))} && git commit -m 'Set up metarunlog'"


def init(root: Path, outdir: str, *, dry_run: bool = False) -> list[str]:
    """Make `root` a project; returns the names of the files written. InputError where it is one, GitError elsewhere."""
    from metarunlog import git

    top = git.top_of(root)
    if (root / files.CONFIG).exists():
        raise InputError("there is one already; edit it, or delete it to start anew", file=files.CONFIG)
    folder = os.path.relpath((root / outdir).absolute(), root)
    if folder.startswith("..") or folder == "." or os.path.isabs(folder):
        raise InputError(f"OUTDIR must be a folder inside the project, not {outdir}")
    if (root / folder).exists() and not (root / folder).is_dir():
        raise InputError(f"{folder} is no folder; name another OUTDIR")
    if Path(folder).parts[0] in (".git", files.MEMORY, files.LAST):
        raise InputError(f"OUTDIR must not be {folder}; name another folder")
    overview: dict[str, list[Any]] = {name: [] for name in ("results", "curves", "effects", "parallel")}
    cfg = {
        "name": root.name,
        "outdir": folder,
        "copyFiles": ["conf.yaml"],
        "confTemplFile": "conf.yaml",
        "giturl": git.origin_url(top),
        "run": "",
        "analysis_overview": overview,
        "analysis_subexp": {"card": []},
    }
    made = {files.CONFIG: files.to_json(cfg)}
    if not (root / files.DODO).exists():
        made[files.DODO] = dodo_template()
    ignore = root / IGNORE
    text = ignore.read_bytes() if ignore.exists() else b""
    lines = text.decode("utf-8", "replace").splitlines()
    missing = [
        line
        for line in (f"/{folder}" + ("" if (root / folder).is_symlink() else "/"), f"/{files.LAST}")
        if line not in lines
    ]
    if missing:
        text += b"\n" if text and not text.endswith(b"\n") else b""
        made[IGNORE] = text + "".join(f"{line}\n" for line in missing).encode()
    if not dry_run:
        for name, data in made.items():
            files.write(root / name, data)
        (root / folder).mkdir(parents=True, exist_ok=True)
    return list(made)


def dodo_template() -> bytes:
    """The few lines of `dodo.py`: in the wheel beside this module, in a source tree at the top."""
    here = Path(__file__).parent
    inside = here / "dodo_template.py"
    return (inside if inside.exists() else here.parent / "dodo_template.py").read_bytes()


def experiment_around(folder: Path) -> Path | None:
    """The experiment that `folder` is in: the outermost folder above with `.mrl` beside `.mrl.cfg`."""
    found = None
    for candidate in (folder, *folder.parents):
        if (candidate / files.META).is_file() and (candidate / files.CONFIG).is_file():
            found = candidate
    return found


class Settings(NamedTuple):
    """What a reader of logs needs to know of an experiment."""

    analysis_dir: Path
    logs: Mapping[str, Any] | None
    skip: frozenset[str]
    experiment: Experiment

    @property
    def params(self) -> dict[str, Mapping[str, Any]]:
        """By sub-experiment, in number order."""
        return {sub.id: sub.params for sub in self.experiment.subs}

    @property
    def sub_ids(self) -> list[str]:
        return list(self.params)

    @property
    def sub_pattern(self) -> str:
        """A glob pattern for the folders of sub-experiments."""
        before, _, rest = self.experiment.config.subExpFormat.partition("{")
        return f"{glob.escape(before)}[0-9]*{glob.escape(rest.partition('}')[2])}"


def settings_of(folder: Path) -> Settings:
    """The settings of the experiment that `folder`, an experiment or sub-experiment, belongs to.

    No folder is listed: an analysis function that asks is not to depend on which experiments there are.
    """
    inside = experiment_around(Path(folder).absolute())
    if inside is None:
        raise NoSuchError(f"{folder} is not in an experiment")
    experiment = Project.find(inside).open(inside)
    config = experiment.config
    return Settings(experiment.analysis_dir, config.logs, experiment.log_skip, experiment)


def _holds(root: Path, experiment: Path) -> bool:
    """Whether the `.mrl.cfg` of `root` names an outdir that holds the experiment."""
    try:
        text = (root / files.CONFIG).read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return False
    outdir = config_module.parse(text, str(root / files.CONFIG)).get("outdir")
    return isinstance(outdir, str) and experiment.resolve().parent == (root / outdir).resolve()


def _user() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # no such user, and no variable names one
        return str(os.getuid())
