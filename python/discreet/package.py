"""A package that `discreet train` left: its guarantee, its documents, its weights, its predictions."""

from __future__ import annotations

import csv
import io
import json
import pathlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Optional

from . import _accounting, notebook
from .errors import Error

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Verification:
    """Is this folder, to the byte, what somebody signed, and does its epsilon follow from its events? As a truth value:
    whether it is valid. None where the certificate cannot be read."""

    package: str
    valid: bool
    epsilon: Optional[float]
    delta: Optional[float]
    relation: Optional[str]
    unit: Optional[str]
    is_private: Optional[bool]
    key: str
    key_known: bool
    key_owner: str
    problems: list[str]

    def __bool__(self) -> bool:
        return self.valid

    def _repr_html_(self) -> str:
        rows = [("valid", "yes" if self.valid else "NO: do not rely on it"), ("epsilon", self.epsilon), ("delta", self.delta),
                ("neighbours", self.relation), ("unit", self.unit),
                ("signed by", self.key_owner if self.key_known else "an unknown key: integrity only"),
                *[("problem", problem) for problem in self.problems]]
        if self.is_private is False:
            rows.insert(1, ("NOT PRIVATE", "made with a test seed: the guarantee does not hold"))
        return notebook.table(self.package, rows)


def verify(package: Any, ledger: Optional[str] = None) -> Verification:
    """Checks every file, the signature, and epsilon, recomputed from the certificate's events. ledger: also whether that
    one has gone on from the certificate's head."""
    if ledger is not None:
        from .program import run

        document = run(["verify", str(package), "--ledger", str(ledger)], progress=False)[1]
    else:
        document = json.loads(_accounting.verify(str(package)))
    document["is_private"] = document.pop("private")
    return Verification(package=str(package), **document)


@dataclass
class Package:
    """Documents are checked against the signed manifest when they are read."""

    path: pathlib.Path
    certificate: dict[str, Any]
    result: dict[str, Any] = field(default_factory=dict)  # what `discreet train` said, where it was just trained

    def document(self, name: str) -> bytes:
        """One file, as it was signed: "card.json", "model.json", "report.html"."""
        return _accounting.package_file(str(self.path), name)

    @property
    def guarantee(self) -> dict[str, Any]:
        found: dict[str, Any] = self.certificate["guarantee"]
        return found

    @property
    def epsilon(self) -> float:
        return float(self.guarantee["epsilon"])

    @property
    def delta(self) -> float:
        return float(self.guarantee["delta"])

    @property
    def model(self) -> dict[str, Any]:
        """The architecture and the preprocessing, as data."""
        found: dict[str, Any] = json.loads(self.document("model.json"))
        return found

    @property
    def card(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.document("card.json"))
        return found

    def report(self) -> notebook.Page:
        """The report's page; a notebook shows it."""
        return notebook.Page(self.document("report.html").decode())

    def weights(self) -> dict[str, torch.Tensor]:
        """By their names in the network (docs/weights.md)."""
        return read_safetensors(self.document("weights.safetensors"))

    def predict(self, data: Any) -> list[dict[str, str]]:
        """A dictionary for each record of a file or folder: its label, then a probability a class."""
        from .program import run

        _, result = run(["predict", str(self.path), str(data)], progress=False)
        return list(csv.DictReader(io.StringIO(result["csv"])))

    def _repr_html_(self) -> str:
        guarantee = self.guarantee
        rows: list[tuple[str, object]] = [("epsilon", guarantee["epsilon"]), ("delta", guarantee["delta"]),
                                          ("neighbours", guarantee["relation"]), ("unit", guarantee["unit"])]
        rows += [(f"phase {phase['name']}", f"epsilon {phase['epsilon']:.6g}, delta {phase['delta']:.3g}")
                 for phase in self.certificate.get("phases", [])]
        return notebook.table(str(self.path), rows)


def load(package: Any) -> Package:
    """A package that is valid; Error otherwise, with the first problem."""
    verification = verify(package)
    if not verification:
        raise Error(f"{package} is not valid: {verification.problems[0]}", "data-loss")
    path = pathlib.Path(package)
    return Package(path, json.loads(_accounting.package_file(str(path), "privacy.json")))


def read_safetensors(data: bytes) -> dict[str, torch.Tensor]:
    """docs/weights.md"""
    import torch

    kinds = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "I64": torch.int64, "I32": torch.int32,
             "U8": torch.uint8}
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + length])
    result = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        numbers = bytearray(data[8 + length + begin:8 + length + end])
        result[name] = (torch.frombuffer(numbers, dtype=kinds[entry["dtype"]]) if numbers
                        else torch.empty(0, dtype=kinds[entry["dtype"]])).reshape(entry["shape"])
    return result
