"""A user's file as a module, and of a traceback what is the file's own.

The file is run as Python runs it: its folder comes first where modules are looked for. What it imports from there is
forgotten before it is loaded again, so that a saved change is seen. Its module goes by a name that no library has.
"""

from __future__ import annotations

import linecache
import sys
import textwrap
import traceback
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from crosscheck.deadline import NOTE
from crosscheck.doors.door import HERE, is_a_refusal

WIDTH = 80


class Refused(Exception):
    """What the file says cannot be checked: what is printed, exit status 2."""


def filled(sentence: str) -> str:
    """A sentence in the width of a terminal."""
    return textwrap.fill(sentence, WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


class UserFile:
    """A file, as often as it is loaded.

    Args:
        path: as the user wrote it.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.folder = path, path.resolve().parent
        self.name = f"file_{path.stem}"
        self.before = frozenset(sys.modules)
        self.beside: set[Path] = set()

    def load(self) -> ModuleType:
        """The file's module, as it is now."""
        self.forget()
        linecache.checkcache()
        module = ModuleType(self.name)
        module.__file__ = str(self.path)
        try:
            source = self.path.read_bytes()
        except OSError as error:
            raise Refused(f"{self.path} cannot be read: {error.strerror}") from None
        with self.own_errors():
            code = compile(source, str(self.path), "exec", dont_inherit=True)
        sys.modules[self.name] = module
        with self.first_on_path(), self.own_errors():
            try:
                exec(code, module.__dict__)
            except ModuleNotFoundError as error:
                if error.name:  # it may still be written
                    self.beside.add(self.folder.joinpath(*error.name.split(".")).with_suffix(".py"))
                raise
        return module

    @property
    def files(self) -> set[Path]:
        """The file, and what it imported from its folder."""
        return {self.path.resolve(), *self.beside}

    def forget(self) -> None:
        """Of what it imported from its folder, all but the names of the files."""
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)
            if name == self.name:
                del sys.modules[name]
            elif name not in self.before and file and self.is_beside(Path(file)):
                self.beside.add(Path(file))
                del sys.modules[name]

    def is_beside(self, file: Path) -> bool:
        """Whether a module stands in the file's folder or below it, and not among installed packages."""
        if not file.is_absolute() or not file.is_relative_to(self.folder):
            return False
        return "site-packages" not in file.relative_to(self.folder).parts and not file.is_relative_to(HERE)

    @contextmanager
    def first_on_path(self) -> Generator[None]:
        """While the file's code runs. No bytecode is kept meanwhile: it knows a save by its second only."""
        kept, sys.dont_write_bytecode = sys.dont_write_bytecode, True
        sys.path.insert(0, str(self.folder))
        try:
            yield
        finally:
            sys.dont_write_bytecode = kept
            if str(self.folder) in sys.path:
                sys.path.remove(str(self.folder))

    @contextmanager
    def own_errors(self) -> Generator[None]:
        """What is raised inside, as the file's own traceback and a sentence (`Refused`)."""
        try:
            yield
        except Refused:
            raise
        except (Exception, SystemExit) as error:
            raise Refused(self.told(error)) from None

    def told(self, error: BaseException) -> str:
        """The traceback from the file's first frame on, and one sentence of ours; a refusal is a sentence itself."""
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if frame.filename == str(self.path)]
        if not own and is_a_refusal(error.__traceback__):
            return filled(f"{self.path}: {error}")
        shown = traceback.TracebackException.from_exception(error)
        when = ""
        each: traceback.TracebackException | None = shown
        while each is not None:
            notes = list(getattr(each, "__notes__", None) or ())
            when = when or next((n.removeprefix(NOTE) for n in notes if n.startswith(NOTE)), "")
            each.__notes__ = [n for n in notes if not n.startswith(NOTE)]
            each.stack = traceback.StackSummary.from_list(self.below_us(list(each.stack)))
            each = each.__cause__ or (None if each.__suppress_context__ else each.__context__)
        lines = shown.format() if shown.stack else shown.format_exception_only()
        return "".join(lines) + filled(f"{self.sentence(error, own, when)}; nothing was judged")

    def below_us(self, frames: list[traceback.FrameSummary]) -> list[traceback.FrameSummary]:
        """From the file's first frame on; where there is none, what was called by us."""
        own = [i for i, frame in enumerate(frames) if frame.filename == str(self.path)]
        ours = [i + 1 for i, frame in enumerate(frames) if Path(frame.filename).is_relative_to(HERE)]
        return frames[own[0] if own else max(ours, default=0) :]

    def sentence(self, error: BaseException, own: list[traceback.FrameSummary], when: str) -> str:
        kind = type(error).__name__
        if not own:
            return f"{self.path} cannot be read as Python" if isinstance(error, SyntaxError) else f"{self.path}: {kind}"
        where = f" in {own[-1].name}" if own[-1].name != "<module>" else ", when it was loaded"
        return f"{self.path}:{own[-1].lineno} raised {kind}{where}{' while ' * bool(when)}{when}"
