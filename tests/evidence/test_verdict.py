"""The verdict on a check, from those on its gradients and what was noticed beside them."""

import numpy as np
import pytest

from crosscheck.evidence.estimate import AUTODIFF
from crosscheck.evidence.finding import Finding
from crosscheck.evidence.pair import Pairs
from crosscheck.evidence.verdict import Decision, GradientVerdict, Verdict

NOTHING = np.zeros(2, bool)


def decided(*verdicts: Verdict, fails: bool | None = None) -> Verdict:
    gradients = {
        str(i): GradientVerdict(v, Pairs(), NOTHING, NOTHING, None, (), None, AUTODIFF, None)
        for i, v in enumerate(verdicts)
    }
    noticed = () if fails is None else (Finding("dtype", "it is another", fails),)
    return Decision(gradients, noticed).verdict


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (("agree", "agree"), "agree"),
        (("agree", "undecided"), "undecided"),
        (("undecided", "disagree"), "disagree"),
        (("disagree", "agree"), "disagree"),
    ],
)
def test_the_worst_gradient_decides(verdicts: tuple[Verdict, ...], expected: Verdict) -> None:
    assert decided(*verdicts) == expected
    assert decided(*verdicts, fails=False) == expected


def test_a_finding_that_fails_makes_it_disagree() -> None:
    assert decided("agree", fails=True) == "disagree"
    assert decided("undecided", fails=True) == "disagree"
