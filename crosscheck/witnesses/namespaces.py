"""Where code finds the names it uses: the namespaces, cells, classes and containers that some functions can reach.

To run code with another meaning of a name (of `np`, say) without patching anything that others use, the name is
replaced where the code looks it up. That is in the globals of each function reached, under the names that its code
mentions; in the cells of its closure; in its defaults; in its classes' and objects' attributes and the lists and
dictionaries that these hold:

    f  →  f.__globals__[name], f.__closure__, f.__defaults__, f.__wrapped__        a function, a decorated one
    p  →  p.func, p.args, p.keywords                                             a partial
    o  →  vars(o), type(o) and its bases                                         a method's object, a layer
    m  →  m.name for the names that the code mentions                            a module that was imported

Libraries are not entered: their functions run as they are. The judge's own functions are passed through (the doors
wrap the user's functions in closures) but keep their names.

Code that imports a module inside its own body, looks one up by `sys.modules`, or keeps it in `__slots__`, is not
seen.
"""

from __future__ import annotations

import functools
import sys
import threading
import types
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np

JUDGE = "crosscheck"
LIBRARIES = frozenset({"autograd", "jax", "jaxlib", "numba", "numpy", "pandas", "scipy", "torch"})
FOREIGN = LIBRARIES | {JUDGE} | sys.stdlib_module_names
# More objects than this are no gradient's code; a longer container holds data.
MOST_OBJECTS = 20_000
LONGEST = 1_000

Put = Callable[[Any], None]

CACHED = type(functools.lru_cache(str))  # the type of what stands for a cached function

# Two checks on two threads must not replace, and then restore, each other's replacements.
ONE_AT_A_TIME = threading.RLock()


@dataclass(frozen=True)
class Reached:
    """What some functions can reach, beside themselves: each place once.

    Args:
        globals: by identity, a global namespace and the names that the code mentions.
        cells: by identity; with `functions` and `classes`, in which a value can be replaced, too.
        containers: attributes of objects, and the dictionaries and lists held.
    """

    globals: dict[int, tuple[dict[str, Any], set[str]]] = field(default_factory=dict)
    cells: dict[int, types.CellType] = field(default_factory=dict)
    functions: list[types.FunctionType] = field(default_factory=list)
    classes: list[type] = field(default_factory=list)
    containers: list[dict[Any, Any] | list[Any]] = field(default_factory=list)

    def places(self) -> Iterator[tuple[Any, Put]]:
        """Every value that can be replaced, and how to put another in its place; a tuple of defaults as a whole."""
        for space, names in self.globals.values():
            yield from ((space[k], functools.partial(space.__setitem__, k)) for k in names if k in space)
        for cell in self.cells.values():
            yield cell.cell_contents, functools.partial(setattr, cell, "cell_contents")
        for function in self.functions:
            yield function.__defaults__, functools.partial(setattr, function, "__defaults__")
        for cls in self.classes:
            yield from ((v, functools.partial(setattr, cls, k)) for k, v in list(vars(cls).items()) if k[:2] != "__")
        for held in self.containers:
            items = held.items() if isinstance(held, dict) else enumerate(held)
            yield from ((v, functools.partial(held.__setitem__, k)) for k, v in list(items))


def reached(*roots: Any) -> Reached:
    """What the code of these functions, methods or objects can reach, the nearest first: of what is too much, as the
    caches of a long process are, the far is left out, and not the layer itself."""
    found, todo, seen = Reached(), deque(roots), {}
    while todo and len(seen) < MOST_OBJECTS:
        thing = todo.popleft()
        if id(thing) not in seen:
            seen[id(thing)] = thing  # kept alive, so that no identity is used twice
            todo.extend(neighbours(thing, found))
    return found


def neighbours(thing: Any, found: Reached) -> list[Any]:
    """What one object leads to; it is entered in `found`."""
    if isinstance(thing, types.FunctionType):
        return of_function(thing, found)
    if isinstance(thing, types.MethodType):
        return [thing.__func__, thing.__self__]
    if isinstance(thing, (functools.partial, functools.partialmethod)):
        return [thing.func, *thing.args, *thing.keywords.values()]
    if isinstance(thing, CACHED):
        return [thing.__wrapped__]
    if isinstance(thing, (staticmethod, classmethod)):
        return [thing.__func__]
    if isinstance(thing, property):
        return [thing.fget, thing.fset]
    if isinstance(thing, functools.cached_property):
        return [thing.func]
    if isinstance(thing, np.vectorize):
        return [thing.pyfunc]
    if isinstance(thing, type):
        return of_class(thing, found)
    if isinstance(thing, (dict, list, tuple, set, frozenset)):
        return of_container(thing, found)
    return of_object(thing, found)


def home(thing: Any) -> str:
    """The package that a function or class says it comes from."""
    module = thing.__globals__.get("__name__") if isinstance(thing, types.FunctionType) else thing.__module__
    return str(module).split(".")[0]


def of_function(function: types.FunctionType, found: Reached) -> list[Any]:
    filled = []
    for cell in function.__closure__ or ():
        with suppress(ValueError):  # a cell that is still empty
            filled.append((cell, cell.cell_contents))
    leads = [value for _, value in filled]
    leads += [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values(), *vars(function).values()]
    if home(function) in FOREIGN:
        return leads
    found.cells.update((id(cell), cell) for cell, _ in filled)  # functions share cells
    found.functions.append(function)
    space, names = function.__globals__, mentioned(function.__code__)
    found.globals.setdefault(id(space), (space, set()))[1].update(names)
    return leads + [value for name in names if name in space for value in through(space[name], names, found)]


def mentioned(code: types.CodeType) -> set[str]:
    """The names, global and of attributes, that a function's code and the functions inside it mention."""
    inner = [mentioned(c) for c in code.co_consts if isinstance(c, types.CodeType)]
    return set(code.co_names).union(*inner)


def through(value: Any, names: set[str], found: Reached, above: tuple[Any, ...] = ()) -> list[Any]:
    """A value; of a module, what the code mentions of it (`layers.dense.forward`), which can be replaced there."""
    if not isinstance(value, types.ModuleType):
        return [value]
    if value.__name__.split(".")[0] in FOREIGN or value in above:  # a package may hold itself
        return []
    space = vars(value)
    inside = names & space.keys()
    found.globals.setdefault(id(space), (space, set()))[1].update(inside)
    return [w for k in inside for w in through(space[k], names, found, (*above, value))]


def of_class(cls: type, found: Reached) -> list[Any]:
    if home(cls) in FOREIGN:
        return []
    found.classes.append(cls)
    return [*cls.__bases__, *vars(cls).values()]


def of_container(held: Any, found: Reached) -> list[Any]:
    long = len(held) > LONGEST
    if isinstance(held, dict) or (isinstance(held, list) and not long):
        found.containers.append(held)  # a long dictionary is looked into no further, but what is bound in it is undone
    if long:
        return []
    return list(held.values()) if isinstance(held, dict) else list(held)


def of_object(thing: Any, found: Reached) -> list[Any]:
    """An object of the user's own class; of the judge's own, what it holds; of a library, nothing."""
    cls = type(thing)
    if not hasattr(thing, "__dict__") or isinstance(thing, types.ModuleType):
        return []
    if home(cls) == JUDGE:
        return list(vars(thing).values())
    return [vars(thing), cls] if home(cls) not in FOREIGN or cls is types.SimpleNamespace else []


@contextmanager
def kept(found: Reached) -> Generator[None]:
    """What the code binds in its objects, lists and dictionaries meanwhile is undone; arrays keep what is written."""
    with ONE_AT_A_TIME:
        before = [(held, dict(held) if isinstance(held, dict) else list(held)) for held in found.containers]
        try:
            yield
        finally:
            for held, was in before:
                restore(held, was)


def restore(held: Any, was: Any) -> None:
    """A list or dictionary as it was; one that is so already may be of a class that lets nobody write to it."""
    if isinstance(held, list):
        if len(held) != len(was) or any(a is not b for a, b in zip(held, was, strict=True)):
            held[:] = was
        return
    for key in [k for k in held if k not in was]:
        del held[key]
    for key, value in was.items():
        if key not in held or held[key] is not value:
            held[key] = value


def accepted(put: Put, value: Any) -> bool:
    """Whether a place takes a value: a container's class may refuse it, as one that is never to be changed does."""
    try:
        put(value)
    except Exception:  # whatever the user's class raises: what it holds stays as it is
        return False
    return True


@contextmanager
def replaced(
    found: Reached, stand_in: Callable[[Any], Any], builtins: dict[str, Any], *, undone: bool = True
) -> Generator[None]:
    """`stand_in(value)` in the place of every value reached, and these names of built-ins where the code mentions
    them; all is put back whatever happens. `undone`: what the code binds meanwhile, too (`kept`)."""
    undo: list[Callable[[], Any]] = []
    with kept(found) if undone else ONE_AT_A_TIME:
        try:
            for value, put in list(found.places()):
                other = stand_in(value)
                if other is not value and accepted(put, other):
                    undo.append(functools.partial(put, value))
            for space, names in found.globals.values():
                for name in builtins.keys() & names - space.keys():
                    undo.append(functools.partial(space.pop, name, None))
                    space[name] = builtins[name]
            yield
        finally:
            for step in reversed(undo):
                step()
