"""Where a layer keeps its numbers: every array that can be reached from it, by every path that leads there.

    layer.W              W                   an attribute, of the object or of its class
    layer.params["W"]    params.W            an entry of a dictionary
    layer.layers[0].W    layers.0.W          an entry of a list, an attribute of what it holds

Objects of libraries are not entered, nor functions, modules and classes. One array under two paths is one array, and
is put back under both; an array that shares memory with others (a view of a flat vector), or stands in a tuple, can
only be written into.
"""

from __future__ import annotations

import copy
import io
import sys
import sysconfig
import types
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from crosscheck.operation import Array, describe

ATTRIBUTE, ENTRY = ".", "["
Path = tuple[tuple[str, Any], ...]

LIBRARIES = frozenset({"numpy", "scipy", "jax", "jaxlib", "torch", "autograd", "numba"})
STANDARD = sysconfig.get_paths()["stdlib"]
CODE = (types.ModuleType, types.FunctionType, types.MethodType, type)


@dataclass(frozen=True)
class Held:
    """One array, or one number, that a layer holds.

    Args:
        name: its shortest path, in words.
        paths: all that lead to it.
        writable: whether it can be put under every path; else it is written into.
    """

    name: str
    paths: tuple[Path, ...]
    writable: bool

    def value(self, root: Any) -> Any:
        """What stands there now."""
        return at(root, self.paths[0])

    def put(self, root: Any, value: Any) -> None:
        """Put a value there; a private copy of it must have been made."""
        if not self.writable:
            there = at(root, self.paths[0])
            (np.asarray(there) if is_array(there) else there)[...] = value  # and its mask stays what it is
            return
        number = not isinstance(at(root, self.paths[0]), np.ndarray) and np.ndim(value) == 0
        for path in self.paths:
            put(root, path, value[()] if number and hasattr(value, "shape") else value)


def spelled(path: Path) -> str:
    return ".".join(str(key) for _, key in path)


def at(root: Any, path: Path) -> Any:
    """What stands at a path.

    Raises:
        AttributeError, KeyError, IndexError, TypeError: where nothing does.
    """
    for kind, key in path:
        root = getattr(root, key) if kind == ATTRIBUTE else root[key]
    return root


def put(root: Any, path: Path, value: Any) -> None:
    owner, (kind, key) = at(root, path[:-1]), path[-1]
    if kind == ATTRIBUTE:
        setattr(owner, key, value)
    else:
        owner[key] = value


def parts(thing: Any) -> Iterator[tuple[str, Any, Any]]:
    """What one object holds: how it is reached, under which key, and what it is."""
    if isinstance(thing, Mapping):
        yield from ((ENTRY, k, v) for k, v in list(thing.items()))
    elif isinstance(thing, (list, tuple, deque)):
        yield from ((ENTRY, i, v) for i, v in enumerate(thing))
    elif is_array(thing):
        yield from ((ENTRY, i, thing[i]) for i in np.ndindex(thing.shape) if thing.dtype == object)
    elif is_users(thing):
        for name in attributes(thing):
            try:
                yield ATTRIBUTE, name, getattr(thing, name)
            except AttributeError:  # a slot that is empty
                continue


def is_array(thing: Any) -> bool:
    """Whether it is an array of NumPy, and not what says so while a forward is recorded."""
    return issubclass(type(thing), np.ndarray)


def is_users(thing: Any) -> bool:
    """Whether it is an object of a class that is no library's."""
    if isinstance(thing, (*CODE, str, bytes, np.ndarray, np.generic)):
        return False
    return isinstance(thing, types.SimpleNamespace) or not is_library(type(thing))


def is_library(cls: type) -> bool:
    """Whether a class is one of a library's, Python's own among them: by its home, not by what its home is called.

    A user's module may be called `code`, and a class that is made by `exec` says that it comes from `builtins`.
    """
    top = cls.__module__.split(".")[0]
    if top not in sys.stdlib_module_names:
        return top in LIBRARIES
    module = sys.modules.get(cls.__module__)
    file = getattr(module, "__file__", None)
    return getattr(module, cls.__name__, None) is cls and (file is None or file.startswith(STANDARD))


def attributes(thing: Any) -> list[str]:
    """The names of an object's own attributes, its slots, and its class's arrays and fractions that it does not
    hide."""
    names = dict.fromkeys(getattr(thing, "__dict__", {}))
    for cls in type(thing).__mro__:
        slots = vars(cls).get("__slots__", ())
        names |= dict.fromkeys([slots] if isinstance(slots, str) else slots)
        if not is_library(cls):
            names |= dict.fromkeys(k for k, v in vars(cls).items() if type(v) in (np.ndarray, float))
    return [k for k in names if k not in ("__dict__", "__weakref__")]


def walk(root: Any) -> Iterator[tuple[Path, Any]]:
    """Every array and number that can be reached, breadth first: the shortest paths come first."""
    todo, seen = [((), root)], {id(root): root}
    while todo:
        below: list[tuple[Path, Any]] = []
        for path, thing in todo:
            for kind, key, value in parts(thing):
                place = (*path, (kind, key))
                if (is_array(value) and value.dtype != object) or isinstance(value, (float, np.floating)):
                    yield place, value
                elif id(value) not in seen and not isinstance(value, (*CODE, str, bytes, int, type(None))):
                    seen[id(value)] = value
                    below.append((place, value))
        todo = below


def every(root: Any) -> Iterator[tuple[Path, Any]]:
    """Everything that can be reached, at every path to it; what one object holds, by one of its paths."""
    todo: list[tuple[Path, Any]] = [((), root)]
    seen = {id(root): root}
    while todo:
        path, thing = todo.pop()
        for kind, key, value in parts(thing):
            place = (*path, (kind, key))
            yield place, value
            if id(value) not in seen and not isinstance(value, (*CODE, str, bytes, int, float, type(None))):
                seen[id(value)] = value
                todo.append((place, value))


def whole_numbers(root: Any) -> Iterator[Path]:
    """Where plain whole numbers are kept, truth values aside."""
    return (path for path, value in every(root) if type(value) is int)


def foreign(root: Any) -> Iterator[tuple[str, str]]:
    """The arrays of other libraries, which cannot be moved: where they are kept, and what they are."""
    for path, value in every(root):
        if hasattr(type(value), "__array__") and not isinstance(value, (np.ndarray, np.generic)):
            yield spelled(path), f"{type(value).__name__} of {type(value).__module__.split('.')[0]}"


def fixed(root: Any, path: Path) -> bool:
    """Whether nothing else can be put at a path: an entry of a tuple, an attribute of what is
    frozen, an array of a class of its own."""
    owner = at(root, path[:-1])
    if type(at(root, path)) not in (np.ndarray, float) and is_array(at(root, path)):
        return True
    if path[-1][0] == ENTRY:
        return isinstance(owner, (tuple, types.MappingProxyType))
    parameters = getattr(type(owner), "__dataclass_params__", None)
    return isinstance(owner, tuple) or bool(getattr(parameters, "frozen", False))


def owner_of(a: Array) -> Array:
    """The array that owns the memory."""
    while type(a.base) is np.ndarray:
        a = a.base
    return a


def arrays(root: Any) -> list[Held]:
    """The floating arrays that a layer holds, each once."""
    return [held for held in everything(root) if isinstance(held.value(root), np.ndarray)]


def everything(root: Any) -> list[Held]:
    """The floating and complex arrays and the numbers that a layer holds, each once."""
    paths: dict[Any, list[Path]] = {}
    owners: dict[int, set[Any]] = {}
    for path, value in walk(root):
        if isinstance(value, np.ndarray) and value.dtype.kind in "fc":
            paths.setdefault(id(value), []).append(path)
            owners.setdefault(id(owner_of(value)), set()).add(id(value))
        elif not isinstance(value, np.ndarray):
            paths[path] = [path]
    shared = {i for family in owners.values() if len(family) > 1 for i in family}
    return [
        Held(spelled(own[0]), tuple(own), key not in shared and not any(fixed(root, path) for path in own))
        for key, own in paths.items()
    ]


# ---------------------------------------------------------------------- private copies


def private(layer: Any, wider: bool = False) -> Any:
    """A deep copy in which arrays that share memory still do; `wider` with float64 for float32.

    Raises:
        TypeError: the layer cannot be copied.
    """
    memo: dict[int, Any] = {}
    held = [a for _, a in walk(layer) if isinstance(a, np.ndarray)]
    owners: dict[int, Array] = {}
    for a in held:
        memo[id(a)] = copied(a, owners, wider)
    memo |= {id(thing): thing for _, thing in every(layer) if is_no_state(thing)}
    tied = [k for k, f in vars(layer).items() if is_tied(f, layer)] if hasattr(layer, "__dict__") else []
    if tied:
        raise TypeError(
            f"layer is a {type(layer).__name__} whose {tied[0]} is a function with the layer itself in its closure: a "
            "copy of the layer would go on using the original; make it a method"
        )
    try:
        twin = copy.deepcopy(layer, memo)
    except Exception as error:
        raise TypeError(
            f"layer is a {type(layer).__name__} that cannot be copied ({describe(error)}); the judge works on a copy"
        ) from error
    for path, value in list(walk(twin)):
        if isinstance(value, np.ndarray) and not own(twin, path):
            put(twin, path, copied(value, owners, wider))  # a class's array becomes the object's own
    return twin


def is_no_state(thing: Any) -> bool:
    """Whether it holds nothing that is computed with, and cannot be copied: a module, a lock, an open file."""
    return isinstance(thing, (types.ModuleType, io.IOBase)) or type(thing).__module__ in ("_thread", "threading")


def is_tied(function: Any, layer: Any) -> bool:
    """Whether a function, which no copy copies, holds this layer in its closure."""
    cells = getattr(function, "__closure__", None) or () if isinstance(function, types.FunctionType) else ()
    for cell in cells:
        try:
            if cell.cell_contents is layer:
                return True
        except ValueError:  # an empty cell
            continue
    return False


def own(root: Any, path: Path) -> bool:
    owner, (kind, key) = at(root, path[:-1]), path[-1]
    return kind == ENTRY or key in getattr(owner, "__dict__", {key: None})


def copied(a: Array, owners: dict[int, Array], wider: bool) -> Array:
    """A copy of `a` whose memory is that of the copies of what `a` shares memory with."""
    owner = owner_of(a)
    kind = np.dtype(np.float64) if wider and a.dtype == np.float32 else a.dtype
    if owner.base is not None or owner.dtype != a.dtype or not owner.flags.forc or type(a) is not np.ndarray:
        return np.array(a, kind, order="K", subok=True)  # of a masked array with its mask
    twin = owners.setdefault(id(owner), np.array(owner, kind, order="K"))
    if owner is a:
        return twin
    scale = kind.itemsize // a.dtype.itemsize
    start = (a.__array_interface__["data"][0] - owner.__array_interface__["data"][0]) * scale
    return np.ndarray(a.shape, kind, twin.ravel(order="K"), start, tuple(s * scale for s in a.strides))


def names_of(held: Sequence[Held]) -> str:
    return ", ".join(h.name for h in held)
