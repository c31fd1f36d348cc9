"""The project's repository: which commit, clean or not, and the code of an experiment. The only user of GitPython."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from metarunlog.errors import GitError

PATCH_LIMIT = 1_000_000  # bytes; a larger untracked file is named, not kept

# Set for hooks that git starts: they would turn our commands away from the folder they are meant for.
_MISLEADING = (
    *("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_PREFIX"),
    *("GIT_DIFF_OPTS", "GIT_LITERAL_PATHSPECS", "GIT_ALLOW_PROTOCOL", "GIT_PROTOCOL_FROM_USER", "GIT_DEFAULT_HASH"),
)
# The code of an experiment is the commit, whatever hooks and templates the user has set up for new repositories.
_BARE = (
    *("-c", "init.templateDir="),
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "advice.detachedHead=false"),
    *("-c", "protocol.file.allow=always"),
)
# A patch that `git apply` understands, whatever the user likes to see.
_PLAIN = ("--binary", "--no-ext-diff", "--no-textconv", "--no-color", "-U3", "--src-prefix=a/", "--dst-prefix=b/")


@dataclass(frozen=True)
class Commit:
    hash: str  # 40 hex digits
    subject: str  # first line of the message


@dataclass(frozen=True)
class Changes:
    """What differs from the commit: paths relative to the top of the repository."""

    tracked: tuple[str, ...]
    untracked: tuple[str, ...]  # and not ignored


def top_of(folder: Path) -> Path:
    """The work tree that holds `folder`; GitError outside of one."""
    try:
        return Path(_git(folder, "rev-parse", "--show-toplevel").rstrip("\n"))
    except GitError as e:
        if "not a git repository" in str(e) or "work tree" in str(e):
            raise GitError(f"{folder} is not in a git repository; run `git init` and commit first") from None
        raise


def head(top: Path) -> Commit:
    """The commit that is checked out; GitError where there is none yet."""
    try:
        hash_, _, subject = _git(top, "log", "-1", "--format=%H%n%s").partition("\n")
    except GitError as e:
        if "does not have any commits" in str(e) or "bad default revision" in str(e):
            raise GitError("the repository has no commits yet; commit your code first (git add, git commit)") from None
        raise
    return Commit(hash_, subject.rstrip("\n"))


def changes(top: Path) -> Changes:
    """What is not committed."""
    tracked: list[str] = []
    untracked: list[str] = []
    entries = iter(
        _git(top, "status", "--porcelain=v1", "-z", "-uall", "--no-renames", "--ignore-submodules=untracked").split(
            "\0"
        )
    )
    for entry in entries:
        if entry:
            (untracked if entry.startswith("??") else tracked).append(entry[3:])
    return Changes(tuple(tracked), tuple(untracked))


def is_ignored(top: Path, path: Path) -> bool:
    """Whether .gitignore hides a path."""
    try:
        _git(top, "check-ignore", "-q", str(path))
    except GitError:
        return False
    return True


def origin_url(top: Path) -> str:
    """The URL of the remote `origin`, or ""."""
    try:
        return _git(top, "remote", "get-url", "origin").strip()
    except GitError:
        return ""


def checkout(source: Path, commit: str, dest: Path) -> None:
    """Make `dest` a self-contained shallow repository with `commit` checked out, submodules included.

    Submodules come from their work trees below `source`, so that no network is needed.
    """
    _git(source, *_BARE, "init", "-q", str(dest))
    pack = "git -c uploadpack.allowAnySHA1InWant=true upload-pack"
    _git(dest, *_BARE, "fetch", "-q", "--no-tags", "--depth", "1", f"--upload-pack={pack}", str(source), commit)
    _git(dest, *_BARE, "checkout", "-q", "--detach", "FETCH_HEAD")
    for path, module_commit in submodules(dest).items():
        if not (source / path / ".git").exists():
            raise GitError(f"the submodule {path} is not checked out; run `git submodule update --init --recursive`")
        checkout(source / path, module_commit, dest / path)


def submodules(top: Path) -> dict[str, str]:
    """Path -> commit of each submodule."""
    entries = [line.partition("\t") for line in _git(top, "ls-files", "--stage", "-z").split("\0")]
    return {path: meta.split()[1] for meta, _, path in entries if meta.startswith("160000 ")}


def patch(top: Path, scratch_index: Path) -> tuple[bytes, list[str]]:
    """All that is not committed as a binary patch against HEAD, and the untracked files that are too large for it.

    A scratch index holds the state of the work tree, so that the project's own index is never touched.
    """
    # a path that ends with a slash is a repository of its own
    left_out = [p for p in changes(top).untracked if p.endswith("/") or (top / p).lstat().st_size > PATCH_LIMIT]
    env = {"GIT_INDEX_FILE": str(scratch_index)}
    _git(top, "read-tree", "HEAD", env=env)
    _git(top, "add", "-A", "--", ".", *(f":(exclude,top,literal){p}" for p in left_out), env=env)
    return _git_bytes(top, "diff", "--cached", *_PLAIN, "HEAD", env=env), left_out


def apply(code: Path, patch_file: Path) -> None:
    """Apply a patch of `patch` to the work tree of a checkout."""
    if patch_file.stat().st_size:
        _git(code, "apply", "--whitespace=nowarn", "--binary", str(patch_file))


def init_and_commit(folder: Path, message: str) -> None:
    """A new repository of all files in `folder`, with one commit in mrl's own name if the user has set none."""
    _git(folder, *_BARE, "init", "-q", str(folder))
    commit_all(folder, message)


def commit_all(folder: Path, message: str) -> None:
    """Commit everything that is not ignored; the author is the user, or mrl where git knows no user."""
    _git(folder, "add", "-A")
    who: dict[str, str] = {}
    for role in ("AUTHOR", "COMMITTER"):
        try:
            _git(folder, "var", f"GIT_{role}_IDENT")
        except GitError:
            who |= {f"GIT_{role}_NAME": "metarunlog", f"GIT_{role}_EMAIL": "metarunlog@localhost"}
    _git(folder, *_BARE, "-c", "commit.gpgSign=false", "commit", "-q", "-m", message, env=who)


def _git(folder: Path, *args: str, env: dict[str, str] | None = None) -> str:
    return _git_bytes(folder, *args, env=env).decode("utf-8", "surrogateescape")


def _git_bytes(folder: Path, *args: str, env: dict[str, str] | None = None) -> bytes:
    for name in _MISLEADING:
        os.environ.pop(name, None)
    try:
        from git import Git
        from git.exc import GitCommandError, GitCommandNotFound
    except ImportError:
        raise GitError("git was not found; install git and have it on PATH") from None
    try:
        out = Git(folder).execute(
            ["git", *args],
            env={"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", **(env or {})},
            stdout_as_string=False,
            strip_newline_in_stdout=False,
        )
    except GitCommandNotFound:
        raise GitError("git was not found; install git and have it on PATH") from None
    except GitCommandError as e:
        said = [line for line in str(e.stderr).replace("stderr:", "").strip(" '\n").splitlines() if line.strip()]
        why = next(
            (line for line in said if line.startswith(("fatal:", "error:"))), said[-1] if said else f"exit {e.status}"
        )
        command = next(a for n, a in enumerate(args) if a != "-c" and args[n - 1 : n] != ("-c",))
        raise GitError(f"git {command} failed: {why.strip()}") from None
    return out if isinstance(out, bytes) else str(out).encode("utf-8", "surrogateescape")
