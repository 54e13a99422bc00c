"""What a file of `--benchmark-json` holds, by group; and the targets of the convolution core."""

import json
from collections.abc import Iterable
from math import exp, log
from pathlib import Path
from typing import Any, NamedTuple

PEERS = {"jax": "JAX", "torch": "PyTorch"}
POLICIES = ("auto", "fast")

# (peer, dtype or None for both) -> the largest ratio wanted of each cell and of their geometric mean, by policy.
CELLS = {
    ("jax", None): ((1.0, 0.9), (0.35, 0.30)),
    ("torch", "float64"): ((0.8, 0.75), (0.35, 0.30)),
    ("torch", "float32"): ((1.25, 1.1), (0.80, 0.72)),
}
EXCEPT = {("torch", "float32", "lenet", "forward"): (1.25, 1.25)}
# The least share of the product's rate, by dtype and policy.
SHARES = {"float32": (0.65, 0.80), "float64": (0.65, 0.90)}
SHARED = ("resnet56", "resnet14", "large")


class Group(NamedTuple):
    """The records of the contenders that were timed in the same rounds."""

    test: str  # "convolution", "engines", "layer", ...
    parameters: dict[str, str]  # without the contender
    records: dict[str, dict[str, Any]]  # by contender

    @property
    def title(self) -> str:
        return " ".join(value for name, value in self.parameters.items() if name != "dtype")

    @property
    def dtype(self) -> str:
        return self.parameters.get("dtype", "float32")

    def name(self, policy: str) -> str:
        """Under which this policy was timed: where "fast" takes the engine of "auto", only "auto" was."""
        return policy if policy in self.records else "auto"

    def info(self, name: str) -> dict[str, Any]:
        return self.records[name]["extra_info"]

    def milliseconds(self, name: str) -> float:
        return self.records[name]["stats"]["median"] * 1e3

    def over(self, name: str, peer: str) -> float | None:
        """The median of the interleaved rounds' ratios; None where the peer was not timed."""
        if name not in self.records:
            return None
        return self.info(name)["over"].get(peer, {}).get("median")

    def share(self, name: str) -> float:
        """The rate by a direct convolution's flops, over the 2048 product's in the same rounds."""
        return self.info(name)["share"]["median"]


def groups(measured: dict[str, Any], test: str) -> list[Group]:
    found: dict[str, Group] = {}
    for record in measured["benchmarks"]:
        if record["name"].startswith(f"test_{test}["):
            parameters = dict(record["params"])
            contender = parameters.pop("contender")
            found.setdefault(record["group"], Group(test, parameters, {})).records[contender] = record
    return list(found.values())


def core(measured: dict[str, Any]) -> list[Group]:
    """The convolution's groups of which our choice was timed: others are of no use to the document."""
    return [group for group in groups(measured, "convolution") if "auto" in group.records]


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def geometric_mean(values: Iterable[float]) -> float:
    logs = [log(value) for value in values]
    return exp(sum(logs) / len(logs))


# ---------------------------------------------------------------------- the targets


def wanted(group: Group, policy: str, peer: str) -> float:
    """The largest ratio that this cell may have."""
    number = POLICIES.index(policy)
    special = EXCEPT.get((peer, group.dtype, group.parameters["workload"], group.parameters["direction"]))
    if special is not None:
        return special[number]
    return next(cells[number] for (name, of), (cells, _) in CELLS.items() if name == peer and of in (None, group.dtype))


def reached(group: Group, policy: str, peer: str) -> bool:
    value = group.over(group.name(policy), peer)
    return value is None or round(value, 2) <= wanted(group, policy, peer)


def shared(group: Group, policy: str) -> bool:
    """Whether the share of the product's rate is as large as it is to be."""
    least = SHARES[group.dtype][POLICIES.index(policy)]
    return group.parameters["workload"] not in SHARED or group.share(group.name(policy)) >= least


def misses(group: Group) -> list[str]:
    """What this cell was to reach and did not, in words."""
    found = []
    for policy in POLICIES:
        mine = group.name(policy)
        for peer, name in PEERS.items():
            if not reached(group, policy, peer):
                value, most = group.over(mine, peer), wanted(group, policy, peer)
                found.append(f'"{policy}" takes {value:.2f} of {name}\'s time, target {most}')
        if not shared(group, policy):
            least = SHARES[group.dtype][POLICIES.index(policy)]
            found.append(f'"{policy}" reaches {group.share(mine):.0%} of the product\'s rate, target {least:.0%}')
    return found
