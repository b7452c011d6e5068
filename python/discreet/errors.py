"""What is refused, and why: one exception for all of Discreet."""

from __future__ import annotations


class Error(RuntimeError):
    """One line that names the setting, file or parameter and what is allowed; never a private value.

    kind: "invalid-argument", "not-found", "already-exists", "permission-denied", "budget-exhausted", "data-loss",
    "unavailable", "unsupported" or "interrupted", as the program's exit codes have them.
    """

    def __init__(self, message: str, kind: str = "invalid-argument") -> None:
        super().__init__(message)
        self.kind = kind

    def __reduce__(self) -> tuple[type[Error], tuple[str, str]]:
        return type(self), (str(self), self.kind)


def unsupported(message: str) -> Error:
    """For a case that is refused rather than approximated."""
    return Error(message, "unsupported")
