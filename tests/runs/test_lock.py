import os
import resource
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from nextframe.errors import ConfigError
from nextframe.files import remove_leftovers, replacing
from nextframe.runs.lock import LOCK, claim, claim_new

HOLDER = (
    "import sys; from nextframe.runs.lock import claim\n"
    "with claim(sys.argv[1]):\n"
    "    print('held', flush=True); sys.stdin.read()"
)


def hold(run: Path) -> subprocess.Popen[bytes]:
    """Another process that holds a folder until its input is closed."""
    other = subprocess.Popen([sys.executable, "-c", HOLDER, str(run)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert other.stdout is not None
    assert other.stdout.readline() == b"held\n"
    return other


def test_a_folder_that_another_process_holds_is_refused_and_the_process_named(tmp_path: Path) -> None:
    with hold(tmp_path / "run") as other:
        sentence = rf"run: is in use by another training .*process {other.pid} on "
        with pytest.raises(ConfigError, match=sentence), claim(tmp_path / "run"):
            pass
        assert other.stdin is not None
        other.stdin.close()
        other.wait()
    with claim(tmp_path / "run"):
        pass


def test_the_lock_of_a_killed_process_locks_nothing(tmp_path: Path) -> None:
    with hold(tmp_path) as other:
        other.kill()
        other.wait()
    assert (tmp_path / LOCK).exists()
    with claim(tmp_path):
        assert (tmp_path / LOCK).exists()
    assert not (tmp_path / LOCK).exists()


def test_a_thread_may_claim_twice_and_another_may_not(tmp_path: Path) -> None:
    refused: list[ConfigError] = []

    def another() -> None:
        try:
            with claim(tmp_path):
                pass
        except ConfigError as error:
            refused.append(error)

    with claim(tmp_path), claim(tmp_path):
        thread = threading.Thread(target=another)
        thread.start()
        thread.join()
    assert "another thread" in str(refused[0])
    with claim(tmp_path):
        pass


def test_new_folders_are_numbered_and_empty_ones_removed(tmp_path: Path) -> None:
    with claim_new(tmp_path / "runs", "squares") as first, claim_new(tmp_path / "runs", "squares") as second:
        assert (first.name, second.name) == ("squares", "squares-2")
        (second / "config.yaml").write_text("")
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["squares-2"]
    with pytest.raises(RuntimeError), claim(tmp_path / "a" / "b"):
        raise RuntimeError
    assert not (tmp_path / "a").exists()


def test_a_file_is_no_folder_for_a_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="is a file, not a folder"), claim(tmp_path / "file"):
        pass
    with pytest.raises(ConfigError, match="cannot be written"), claim(tmp_path / "file" / "run"):
        pass
    with pytest.raises(ConfigError, match="cannot be written"), claim(tmp_path / ("x" * 300)):
        pass


@pytest.mark.slow
def test_a_full_disk_is_told_and_nothing_is_left(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        with pytest.raises(ConfigError, match="lock: cannot be written"), claim(tmp_path / "run"):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(tmp_path.iterdir())
    with claim(tmp_path / "run"):
        pass


def test_what_killed_processes_left_is_removed_and_what_living_ones_write_is_not(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    with hold(tmp_path / "other") as living:
        names = {
            f".metrics.{gone.pid}.tmp.csv": False,
            f".model.{os.getpid()}.tmp.json": False,  # of a process before this one that had its number
            f".scores.{living.pid}.tmp.json": True,
            "metrics.csv": True,
            ".notes.tmp.txt": True,
        }
        for name in names:
            (tmp_path / name).write_text("")
        remove_leftovers(tmp_path)
        assert {name: (tmp_path / name).exists() for name in names} == names
        assert living.stdin is not None
        living.stdin.close()


def test_a_name_as_long_as_names_may_be_is_written(tmp_path: Path) -> None:
    path = tmp_path / ("ü" * 125 + ".json")
    with replacing(path) as temporary:
        temporary.write_text("{}")
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
