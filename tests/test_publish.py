"""`analysis_webdir`: a copy of the report for a web server."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from support import ProjectDir, tree

from metarunlog import publish as module
from metarunlog.errors import MrlError
from metarunlog.publish import publish

needs_rsync = pytest.mark.skipif(shutil.which("rsync") is None, reason="rsync is missing")


@pytest.fixture(params=[pytest.param("rsync", marks=needs_rsync), "copying"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "copying":
        monkeypatch.setattr(module.shutil, "which", lambda _: None)
    return str(request.param)


@pytest.fixture
def report(tmp_path: Path) -> Path:
    folder = tmp_path / "analysis"
    content = {
        "index.html": b"<p>page",
        "data/runs.js": b"mrl.data({})",
        "sections/a b.0.png": b"\x89PNG",
        "sections/001.card.json": b"{}",
        "parsed/001.pkl": b"pickle",
        "mine/deep/film.mp4": b"film",
        ".mrl.tmp-1": b"half",
    }
    for name, data in content.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def send(report: Path, webdir: str | Path) -> int:
    return publish(report, str(webdir), report.parent, "0001", report.parent / "published")[1]


def test_what_pages_show_is_sent_once(report: Path, tmp_path: Path, way: str) -> None:
    web = tmp_path / "web site"
    assert send(report, web) == 4
    shown = ("index.html", "data/runs.js", "sections/a b.0.png", "mine/deep/film.mp4")
    assert tree(web / "0001") == {name: (report / name).read_bytes() for name in shown}
    assert (web / "0001/index.html").stat().st_mtime == (report / "index.html").stat().st_mtime
    assert send(report, web) == 0


def test_only_what_changed_is_sent(report: Path, tmp_path: Path, way: str) -> None:
    send(report, "web")
    copy = tmp_path / "web/0001"
    before = {name: (copy / name).stat().st_ino for name in tree(copy)}
    (report / "index.html").write_bytes(b"<p>another")
    (report / "parsed/001.pkl").write_bytes(b"another")
    assert send(report, "web") == 1
    assert (copy / "index.html").read_bytes() == b"<p>another"
    assert {name for name, inode in before.items() if (copy / name).stat().st_ino != inode} == {"index.html"}


def test_as_many_bytes_in_the_same_second_are_sent(report: Path, tmp_path: Path, way: str) -> None:
    page = report / "index.html"
    os.utime(page, ns=(10**18, 10**18))
    send(report, "web")
    page.write_bytes(b"<p>egap")
    os.utime(page, ns=(10**18 + 5, 10**18 + 5))
    assert send(report, "web") == 1
    assert (tmp_path / "web/0001/index.html").read_bytes() == b"<p>egap"


def test_what_is_gone_goes_and_what_others_put_there_stays(report: Path, tmp_path: Path, way: str) -> None:
    send(report, "web")
    copy = tmp_path / "web/0001"
    (copy / "theirs.txt").write_text("theirs")
    (report / "data/runs.js").unlink()
    assert send(report, "web") == 0
    assert set(tree(copy)) == {"index.html", "sections/a b.0.png", "mine/deep/film.mp4", "theirs.txt"}
    (copy / "index.html").unlink()
    assert send(report, "web") == 1 and (copy / "index.html").exists()
    (copy / "index.html").write_text("somebody else's")
    assert send(report, "web") == 1 and (copy / "index.html").read_bytes() == b"<p>page"


def test_another_folder_gets_all(report: Path, tmp_path: Path, way: str) -> None:
    send(report, "web")
    assert send(report, "elsewhere") == 4
    assert send(report, "web") == 4  # nobody knows what became of it
    shutil.rmtree(tmp_path / "web")
    assert send(report, "web") == 4


def test_links(report: Path, tmp_path: Path, way: str) -> None:
    (tmp_path / "elsewhere.png").write_bytes(b"PNG")
    (report / "linked.png").symlink_to(tmp_path / "elsewhere.png")
    (report / "nowhere.png").symlink_to(tmp_path / "no such file")
    (report / "circle").symlink_to(report)
    assert send(report, "web") == 5
    assert (tmp_path / "web/0001/linked.png").read_bytes() == b"PNG" and not (tmp_path / "web/0001/circle").exists()
    assert send(report, "web") == 0


def test_a_home_folder(report: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert send(report, "~/public_html") == 4
    assert (tmp_path / "home/public_html/0001/index.html").exists()


def test_faults_are_told(report: Path, tmp_path: Path, way: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MrlError, match=r"not published to .*file/0001"):
        send(report, "file")
    with pytest.raises(MrlError, match="into or onto itself"):
        publish(report, str(tmp_path.parent), tmp_path, tmp_path.name, tmp_path / "published")
    with pytest.raises(MrlError, match="into or onto itself"):
        send(report, report / "web")  # each time it would hold one more of itself
    if way == "copying":
        with pytest.raises(MrlError, match="another host needs rsync"):
            send(report, "host:web")


@needs_rsync
def test_another_host_is_told_by_its_colon(report: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RSYNC_RSH", "false")  # no host is asked
    for webdir in ("host:web", "me@host:web", "host:"):
        with pytest.raises(MrlError, match=f"not published to {webdir}/0001: rsync"):
            send(report, webdir)
    assert not (report.parent / "published").exists()


def test_analyze_publishes(logged: ProjectDir) -> None:
    logged.configure(analysis_webdir="public")
    done = logged.mrl("analyze")
    copy = logged.root / "public/0001"
    assert f"published {len(tree(copy))} files to {copy}" in done.err
    assert (copy / "index.html").read_bytes() == (logged.root / "exp/0001/analysis/index.html").read_bytes()
    again = logged.mrl("analyze")
    assert "nothing to do" in again.out and again.err == ""
    logged.log("001", (9.0, 8.0))
    assert "published" in logged.mrl("analyze").err
    assert b"8" in (copy / "data/results.js").read_bytes()
    os.unlink(copy / "index.html")
    assert "published 1 file to" in logged.mrl("analyze").err
    assert logged.mrl("analyze", "-n").err == ""


def test_analyze_goes_on_where_it_cannot_publish(logged: ProjectDir) -> None:
    logged.write({"taken": "a file"})
    logged.configure(analysis_webdir="taken")
    done = logged.mrl("analyze", code=1)
    assert done.err.startswith("mrl: error: the report was not published to ")
    assert (logged.root / "exp/0001/analysis/index.html").exists()
    assert "nothing to do" in logged.mrl("analyze", code=1).out
