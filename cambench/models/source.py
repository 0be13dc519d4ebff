"""The source of a network that is not built here: of `hf:` its folder, of `python:` its module's file and those beside it.

What counts: the module, the modules of its own package, and, where it lies in a plain folder, other modules of that folder
that it imports, directly or through one another. Of packages installed elsewhere, and of cambench itself beyond the
network's own module, the recorded versions say enough.
The imports are read, not run, so the hash does not depend on what else a process has imported.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.machinery
import site
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from cambench.models import hf_networks
from cambench.models.backbones import HF, PYTHON
from cambench.models.python import import_module
from cambench.vocabulary import UsageError

OURS = __name__.partition(".")[0]
BEFORE: dict[str, str] = {}
"""Module -> the digest of its source, last taken before it was imported."""


def source_of(arch: str) -> str | None:
    """16 hex digits over the source of a `python:` network, or the files of an `hf:` folder; None for any other.

    Raises: UsageError for a module or folder that is not there.
    """
    if arch.startswith(HF):
        return hf_networks.source_of(arch)
    if not arch.startswith(PYTHON):
        return None
    name = arch.removeprefix(PYTHON).partition(":")[0]
    root = root_of(name, arch.removeprefix(PYTHON))
    alone = installed(root)
    files: dict[str, Path] = {}
    waiting = [name]
    while waiting:
        for module, path in files_of(waiting.pop(), root):
            first = module.partition(".")[0]
            if module in files or (alone and first != name.partition(".")[0]) or (first == OURS and module != name):
                continue
            files[module] = path
            waiting += imports(module, path)
    digest = hashlib.blake2b(digest_size=8)
    for module in sorted(files):
        content = files[module].read_bytes()
        digest.update(f"{module} {len(content)} ".encode() + content)
    return as_imported(name, digest.hexdigest())


def as_imported(name: str, digest: str) -> str:
    """The digest. Raises: UsageError where this process imported the module and its file was edited since."""
    if name not in sys.modules:
        BEFORE[name] = digest
    elif BEFORE.setdefault(name, digest) != digest:
        raise UsageError(
            f"python:{name}: expected the source that this process imported, got another: it was edited since; "
            "begin a new process (in a notebook, restart the kernel)."
        )
    return digest


def root_of(name: str, spec: str) -> Path:
    """The folder in which the module's first name is found, as an import would find it.

    Raises: UsageError where there is none.
    """
    first = name.partition(".")[0]
    module = importlib.machinery.PathFinder.find_spec(first, [str(Path.cwd()), *sys.path]) or by_its_finder(first)
    if module is None:
        import_module(name, spec)  # says what is missing
        raise UsageError(f"python:{spec}: expected a module in a file, got {first}, which is in none; give one of your own.")
    if module.submodule_search_locations:
        return Path(module.submodule_search_locations[0]).resolve().parent
    assert module.origin is not None
    return Path(module.origin).resolve().parent


def by_its_finder(first: str) -> importlib.machinery.ModuleSpec | None:
    """A module in a file of which a finder of its own knows, as an editable installation (`pip install -e`) may have one."""
    specs = (finder.find_spec(first, None) for finder in sys.meta_path)
    return next((spec for spec in specs if spec is not None and spec.has_location), None)


def installed(root: Path) -> bool:
    """Whether packages are installed into a folder, so that modules beside one another belong to different packages."""
    places = [*site.getsitepackages(), site.getusersitepackages(), *sysconfig.get_paths().values()]
    return root in {Path(place).resolve() for place in places}


def files_of(module: str, root: Path) -> Iterator[tuple[str, Path]]:
    """The files of a module and of the packages above it, as far as they lie below the root."""
    parts = module.split(".")
    for n in range(1, len(parts) + 1):
        base = root.joinpath(*parts[:n])
        for path in (base / "__init__.py", base.with_name(base.name + ".py")):
            if path.is_file():
                yield ".".join(parts[:n]), path
                break


def imports(module: str, path: Path) -> Iterator[str]:
    """The names of the modules that a file imports, anywhere in it; none of a file with a syntax error."""
    try:
        tree = ast.parse(path.read_bytes())
    except SyntaxError:
        return
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}" if base else alias.name for alias in node.names)
