"""How an extra is added to this installation: by install.sh, pip, pipx or uv, whichever made it."""

import json
import re
import sys
from contextlib import suppress
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname


def how_to_add(extra: str) -> str:
    """Return the command that adds an extra such as "gui", and leaves those that are here."""
    installed = _own()
    if installed is None:
        return f'pip install "stemlive[{extra}]"'
    installer = (installed.read_text("INSTALLER") or "").strip()
    if installer == "dpkg":
        return f"not in the Debian package, but where ./install.sh {extra} runs in a clone"
    here = Path(sys.prefix)
    if (here.parent / "install.sh").is_file() and _requirement(installed) == str(here.parent):
        return f"{'.' if here.parent == Path.cwd() else here.parent}/install.sh {extra}"
    tool = next((tool for name, tool in _TOOLS.items() if (here / name).exists()), "")
    if tool:  # they make the environment anew, with nothing but what is named
        extras = ",".join(sorted({*_held(installed), extra}))
        return f'{tool} install --force "{_requirement(installed, f"[{extras}]")}"'
    pip = f"uv pip install --python {sys.executable}" if installer == "uv" else f"{sys.executable} -m pip install"
    return f'{pip} "{_requirement(installed, f"[{extra}]")}"'


def _own() -> Distribution | None:
    """Return what is installed beside this file, not what building left in a clone that is the current folder."""
    return next(iter(Distribution.discover(name="stemlive", path=[str(Path(__file__).parent.parent)])), None)


_TOOLS = {"pipx_metadata.json": "pipx", "uv-receipt.toml": "uv tool"}
"""By the file that each leaves in its environment."""


def _requirement(installed: Distribution, extras: str = "") -> str:
    """Return what it was installed from, with extras: a folder, a wheel, an address, or its name in an index."""
    with suppress(ValueError, KeyError):
        came = json.loads(installed.read_text("direct_url.json") or "")
        if came["url"].startswith("file:") and "vcs_info" not in came:
            path = Path(url2pathname(urlsplit(came["url"]).path))
            return f"{path if path.exists() else path.name}{extras}"
        version_control = f"{came['vcs_info']['vcs']}+" if "vcs_info" in came else ""
        return f"stemlive{extras} @ {version_control}{came['url']}"
    return f"stemlive{extras}"


def _held(installed: Distribution) -> list[str]:
    """Return the extras of which every package is here."""
    packages: dict[str, list[str]] = {}
    for line in installed.requires or ():
        if found := re.match(r"([\w.-]+).*\bextra == ['\"]([\w-]+)['\"]", line):
            packages.setdefault(found[2], []).append(found[1])
    return [extra for extra, names in packages.items() if all(map(_is_here, names))]


def _is_here(package: str) -> bool:
    try:
        distribution(package)
    except PackageNotFoundError:
        return False
    return True
