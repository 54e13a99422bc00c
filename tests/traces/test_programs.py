"""The cache of compiled programs: bounded, in the order of use, and safe for two threads."""

import threading
from pathlib import Path

import jax
import pytest

from crosscheck.traces import programs
from crosscheck.traces.programs import Programs, keep_compilations


def test_a_program_is_made_once() -> None:
    cache: Programs[object] = Programs(2)
    first = cache.get("a", object)
    assert cache.get("a", object) is first


def test_what_was_not_asked_for_the_longest_is_forgotten() -> None:
    cache: Programs[object] = Programs(2)
    kept = {key: cache.get(key, object) for key in "ab"}
    assert cache.get("a", object) is kept["a"]  # now b is the oldest
    cache.get("c", object)
    assert list(cache.kept) == ["a", "c"]
    assert cache.get("a", object) is kept["a"]
    assert cache.get("b", object) is not kept["b"]


def test_the_limit_holds() -> None:
    cache: Programs[int] = Programs(3)
    for i in range(10):
        assert cache.get(i, lambda i=i: i) == i
        assert len(cache.kept) <= 3
    assert list(cache.kept) == [7, 8, 9]


def test_what_fails_to_be_made_is_not_kept() -> None:
    cache: Programs[int] = Programs(3)

    def fail() -> int:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        cache.get("a", fail)
    assert cache.get("a", lambda: 1) == 1


def test_of_two_threads_that_make_one_program_both_get_the_same() -> None:
    cache: Programs[object] = Programs(2)
    both_inside = threading.Barrier(2, timeout=10)  # each waits in `make` for the other: making holds no lock
    got: list[object] = []

    def make() -> object:
        both_inside.wait()
        return object()

    threads = [threading.Thread(target=lambda: got.append(cache.get("a", make))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 2
    assert got[0] is got[1] is cache.get("a", object)


def settings() -> dict[str, object]:
    return {name: jax.config.values[name] for name in jax.config.values if "cache" in name}


@pytest.fixture
def restored() -> object:
    """JAX's settings of its cache, put back."""
    before = settings()
    yield before
    for name, value in before.items():
        jax.config.update(name, value)


def test_compilations_are_kept_in_the_users_folder(
    restored: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "user_cache_path", lambda name: tmp_path / name)
    keep_compilations()
    assert Path(jax.config.values["jax_compilation_cache_dir"]) == tmp_path / "crosscheck" / "jax"
    assert (tmp_path / "crosscheck" / "jax").is_dir()


def test_where_nothing_can_be_written_nothing_is_kept(
    restored: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(programs, "user_cache_path", lambda name: tmp_path / "file" / name)
    keep_compilations()
    assert settings() == restored
