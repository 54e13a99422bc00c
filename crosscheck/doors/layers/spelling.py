"""How the gradient of W is spelled: dW, grad_W, W_grad, grads["W"], W.grad, and whatever else is usual.

A path is read word by word. Words for "the gradients" (`grads`) mark a gradient and name nothing; words for "the
value" (`params`, `data`) name nothing, either; `dW` and `W_grad` mark a gradient and name W. What is left names the
parameter, and a gradient belongs to the parameter of the same name: first letter by letter, then but for case and an
s, then by the words that are used for one another (`weights` and `dW`).
"""

from __future__ import annotations

import re

from crosscheck.doors.layers.places import Path

Name = tuple[str, ...]

GRADIENTS = frozenset(
    ("grad", "grads", "gradient", "gradients", "g", "d", "dparams", "d_params", "derivative", "derivatives")
) | frozenset(("dparameters", "param_grads", "grad_params", "weight_grads", "param_gradients", "grad_dict"))
VALUES = frozenset(
    ("params", "parameters", "param", "data", "value", "values", "val", "array", "tensor", "theta", "variables", "p")
) | frozenset(("trainable", "learnable", "weights", "param_dict", "params_dict"))
# Of these, the words that are left out of a parameter's name in the report.
SILENT = VALUES - {"weights", "theta", "variables", "p"}
MARKS = "grad|gradient|gradients|grads"
SPELLINGS = (
    re.compile(rf"(?:{MARKS})_?(?:wrt_|of_|L_)?(?P<name>\w+)"),
    re.compile(rf"(?P<name>\w+?)_?(?:{MARKS}|Grad|Grads|Gradient|Gradients)"),
    re.compile(r"d_?(?:[LJCE]|[ljce]|loss|cost)_?d_?(?P<name>\w+)"),
    re.compile(r"d_?(?P<name>\w+)"),
    re.compile(r"(?:delta|nabla|partial|g)_(?P<name>\w+)"),
    re.compile(r"(?:delta|nabla)(?P<name>[A-Z]\w*)"),
    re.compile(r"(?P<name>\w+?)_(?:d|g|delta)"),
    re.compile(r"[gG](?P<name>[A-Z]\w*|[a-z]\d*)"),
)
# Words that are used for one another.
FAMILIES = (("w", "weight", "kernel", "filter", "coef", "theta"), ("b", "bias", "bia", "biase", "intercept"))
FAMILIES += (("gamma", "scale"), ("beta", "shift"), ("x", "input", "in", "inp", "z_in", "a_prev"))
TIERS = (0, 1, 2)


def plain(word: object) -> str:
    """A word without the underscores of what is private."""
    return re.sub(r"^_[A-Za-z0-9]+__", "", str(word)).strip("_")


def stems(word: str) -> set[str]:
    """What a word names if it is that of a gradient."""
    return {found["name"] for spelling in SPELLINGS if (found := spelling.fullmatch(word))}


def parameter_names(path: Path) -> set[Name]:
    """What a path names as that of a parameter: with and without the words that say no more than "the value"."""
    words = [plain(key) for _, key in path]
    short = tuple(w for w in words if w.lower() not in VALUES)
    return {tuple(words), short}


def gradient_names(path: Path) -> set[Name]:
    """What a path names as that of a gradient; nothing where no word of it says so."""
    names: set[tuple[Name, bool]] = {((), False)}
    for _, key in path:
        word = plain(key)
        grown: set[tuple[Name, bool]] = set()
        for name, marked in names:
            grown.add(((*name, word), marked))
            if word.lower() in GRADIENTS:
                grown.add((name, True))
            elif word.lower() in VALUES:
                grown.add((name, marked))
            grown |= {((*name, stem), True) for stem in stems(word)}
        names = grown
    return {name for name, marked in names if marked}


def loosely(word: str, tier: int) -> str:
    """A word as one tier compares it."""
    if tier == 0:
        return word
    word = word.lower().replace("_", "")
    word = word.removesuffix("s") if len(word) > 1 else word
    if tier == 1:
        return word
    found = re.fullmatch(r"([a-z]+?)(\d*)", word)
    letters, number = (found[1], found[2]) if found else (word, "")
    return next((family[0] for family in FAMILIES if letters in family), letters) + number


def named_as(parameter: set[Name], gradient: set[Name], tier: int) -> bool:
    """Whether a gradient's name is a parameter's, as the tier compares."""

    def read(names: set[Name]) -> set[Name]:
        return {tuple(loosely(word, tier) for word in name) for name in names}

    return not read(parameter).isdisjoint(read(gradient))


def named_alike(parameter: str, word: str) -> int | None:
    """The first tier by which `word`, a key that the layer returns, is the name or the gradient of a parameter."""
    last = plain(parameter.rsplit(".", 1)[-1])
    named = {(plain(word),)} | {(stem,) for stem in stems(plain(word))}
    full = {(last,), (parameter,)}
    return next((tier for tier in TIERS if named_as(full, named, tier)), None)
