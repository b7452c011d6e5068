"""What a notebook shows: tables, pages, a bar of progress. Elsewhere progress is a line on standard error."""

from __future__ import annotations

import html
import sys
from collections.abc import Iterable
from typing import Any, Optional


def table(title: str, rows: Iterable[tuple[str, object]]) -> str:
    """HTML; nothing in it is taken for markup."""
    lines = "".join(f"<tr><th style='text-align:left'>{html.escape(name)}</th>"
                    f"<td style='text-align:left'>{html.escape(_words(value))}</td></tr>" for name, value in rows)
    return f"<table><caption style='text-align:left'>{html.escape(title)}</caption>{lines}</table>"


def _words(value: object) -> str:
    if value is None:
        return "—"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_words(inner)}" for key, inner in value.items() if inner is not None)
    return str(value)


class Page:
    """A whole document of HTML, apart from the notebook's own styles."""

    def __init__(self, document: str) -> None:
        self.html = document

    def _repr_html_(self) -> str:
        return (f"<iframe sandbox style='width:100%;height:40em;border:1px solid #ccc' "
                f"srcdoc=\"{html.escape(self.html, quote=True)}\"></iframe>")


class Progress:
    """One bar that is updated in place."""

    def __init__(self) -> None:
        self._handle: Optional[Any] = None
        self._ipython = _ipython()

    def show(self, title: str, share: float, words: str) -> None:
        """share: 0 to 1."""
        if self._ipython is None:
            print(f"{title}  {share:.0%}  {words}", file=sys.stderr)
            return
        shown = self._ipython.HTML(f"<div>{html.escape(title)} <progress max='1' value='{share:.3f}'></progress> "
                                   f"{html.escape(words)}</div>")
        if self._handle is None:
            self._handle = self._ipython.display(shown, display_id=True)
        else:
            self._handle.update(shown)


def _ipython() -> Any:
    """IPython's display module inside of a notebook's kernel, else None."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None or not hasattr(shell, "kernel"):
        return None
    import IPython.display

    return IPython.display
