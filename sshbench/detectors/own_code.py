"""The Python file or module of a user's own model: imported, and hashed so that a changed model is another run.

Hashed are the file and the modules beside it that it imports, directly or through each other. Installed packages, what
the code imports by a computed name, and the data files that it reads are not.
"""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType

from sshbench.detectors.guard import contained, frame_of
from sshbench.errors import DetectorError, InputError, MissingDataError, SshbenchError, UsageError, did_you_mean

Code = Mapping[str, str]
"""sha256 of each file, by its path from the folder of the model's file, or of its package."""

_INSTALLED = ("site-packages", "dist-packages")
_loaded: dict[Path, tuple[Code, ModuleType]] = {}
_imported_as: dict[str, Code] = {}
_siblings: dict[str, tuple[Path, str]] = {}  # modules that were imported from beside a model, with file and sha256


def load_file(file: str) -> tuple[ModuleType, Code]:
    """Run a Python file as a module; one that was run before and has not changed is not run again.

    Raises:
        MissingDataError: There is no such file.
        InputError: It is not Python, or its code raises; the text names the line, `details` has the traceback.
    """
    path = Path(file).expanduser().absolute()
    if not path.is_file():
        near = [other.name for other in sorted(path.parent.glob("*.py"))]
        remedy = did_you_mean(path.name, near, listed="Python files there") if near else "Check the path"
        raise MissingDataError(f"there is no file {path}", remedy=remedy)
    code = code_of(path, path.parent)
    if path in _loaded and _loaded[path][0] == code:
        return _loaded[path][1], code
    module = ModuleType(f"sshbench_own_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}_{path.stem}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # dataclasses and pickle look their module up
    with _importing(path.parent, code, path.name):
        try:
            with contained(path.name, "import"):
                # Compiled here: a stored .pyc of the same second would be the old code.
                exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)
        except SshbenchError as error:
            del sys.modules[module.__name__]
            raise _failed(path, error) from error
    _loaded[path] = code, module
    return module, code


def load_module(name: str) -> tuple[ModuleType, Code]:
    """Import a module, from the current folder too.

    Raises:
        UsageError: There is no such module, or its files changed since it was imported.
        InputError: Its code raises; the text names file and line, `details` has the traceback.
    """
    try:
        with _first_on_path(Path.cwd()), contained(name, "import"):
            module = import_module(name)
    except SshbenchError as error:
        cause = error.__cause__
        if isinstance(cause, ModuleNotFoundError) and cause.name and f"{name}.".startswith(f"{cause.name}."):
            raise UsageError(
                f"there is no module '{cause.name}' in the current folder or among the installed packages",
                remedy="For a file write path/to/model.py:NAME",
            ) from error
        raise _failed(Path(name), error) from error
    if not getattr(module, "__file__", None):
        return module, {}
    path = Path(str(module.__file__))
    depth = name.count(".") + (path.name == "__init__.py")
    root = path.parents[depth]
    parts = name.split(".")
    package = parts[0] if depth or root.name in _INSTALLED else ""
    code = code_of(path, root, package, _files(root, parts, ""))
    if _imported_as.setdefault(name, code) != code:  # Python keeps what it imported first
        raise UsageError(
            f"the files of module '{name}' changed after they were imported",
            remedy="Start Python again, or write path/to/model.py:NAME, which is read again",
        )
    return module, code


def code_of(path: Path, root: Path, package: str = "", others: Iterable[Path] = ()) -> dict[str, str]:
    """Return the hashes of a file and of the modules below a folder that it imports, directly or not.

    Args:
        path: The file.
        root: The folder.
        package: Only modules of this package; empty for all below the folder.
        others: Files that belong to it anyway.
    """
    found: dict[Path, str] = {}
    waiting = [path, *others]
    while waiting:
        file = waiting.pop()
        if file in found:
            continue
        content = file.read_bytes()
        found[file] = hashlib.sha256(content).hexdigest()
        waiting += [other for other in _imported(content, file, root, package) if other not in found]
    names = {file: file.relative_to(root).as_posix() if file.is_relative_to(root) else file.name for file in found}
    return {names[file]: digest for file, digest in sorted(found.items(), key=lambda item: names[item[0]])}


def _imported(content: bytes, file: Path, root: Path, package: str) -> Iterator[Path]:
    """Yield the files below a folder that a Python file imports."""
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # running it says so
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield from _files(root, name.name.split("."), package)
        elif isinstance(node, ast.ImportFrom):
            parts = node.module.split(".") if node.module else []
            for name in node.names:
                if node.level:
                    yield from _files(file.parents[node.level - 1], [*parts, name.name], "")
                else:
                    yield from _files(root, [*parts, name.name], package)


def _files(folder: Path, parts: list[str], package: str) -> Iterator[Path]:
    """Yield the files of a module and of the packages around it."""
    if package and parts[0] != package:
        return
    for part in parts:
        if (folder / f"{part}.py").is_file():
            yield folder / f"{part}.py"
        folder = folder / part
        if (folder / "__init__.py").is_file():
            yield folder / "__init__.py"


@contextmanager
def _importing(folder: Path, code: Code, main: str) -> Iterator[None]:
    """Let a model import the modules beside it, as they are now, whatever another model or library calls its own."""
    theirs: dict[str, ModuleType] = {}
    names = {_module_name(file): (folder / file, digest) for file, digest in code.items() if file != main}
    for name, place in names.items():
        there = sys.modules.get(name)
        if there is None or _siblings.get(name) == place:
            continue
        del sys.modules[name]
        if name not in _siblings:
            theirs[name] = there
    try:
        with _first_on_path(folder):
            yield
    finally:
        _siblings.update({name: place for name, place in names.items() if name not in theirs})
        sys.modules.update(theirs)


@contextmanager
def _first_on_path(folder: Path) -> Iterator[None]:
    """Look in a folder first, and afterwards last: the model may import later, and hides no library from others."""
    text = str(folder)
    sys.path.insert(0, text)
    try:
        yield
    finally:
        sys.path.remove(text)
        if text not in sys.path:
            sys.path.append(text)


def _module_name(file: str) -> str:
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _failed(path: Path, error: SshbenchError) -> SshbenchError:
    """Return the error for a file or module whose code could not be run."""
    cause = error.__cause__
    if isinstance(cause, SyntaxError) and cause.filename:
        return InputError(
            f"invalid Python ({cause.msg})",
            file=cause.filename,
            line=cause.lineno,
            remedy="Fix the file",
            details=error.details,
        )
    if not isinstance(error, DetectorError):  # raised by our own code, which the file calls
        return InputError(error.message, file=path, line=None, remedy=error.remedy)
    frame = frame_of(cause)
    said = f"{type(cause).__name__}: {cause}" if str(cause) else type(cause).__name__
    return InputError(
        f"the import failed ({said})",
        file=path if frame is None else frame.filename,
        line=None if frame is None else frame.lineno,
        remedy="Fix the file; `sshbench -v` shows the traceback",
        details=error.details,
    )
