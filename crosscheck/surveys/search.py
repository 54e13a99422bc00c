"""The search for a condition: pairwise, then at random, then where it is informative."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from crosscheck.deadline import Deadline
from crosscheck.spaces.space import Choices, Space
from crosscheck.surveys.atoms import Atom, atoms
from crosscheck.surveys.conditions import BOTH, Condition, fitting, necessary, sufficient
from crosscheck.surveys.quantities import Array, Factors
from crosscheck.surveys.telling import telling
from crosscheck.surveys.visits import ASIDE, EMPTY, RAISED, RIGHT, WRONG, Sighting, Visitor, completed, drawn_again

# Random configurations beside the cover before conditions are looked for: of a mistake that takes two choices of three
# each, some three are among them.
AT_RANDOM = 24
# While nothing is wrong, this share of all configurations is drawn at random before nothing more is expected.
WITHOUT_A_FIND = 0.5
# Configurations drawn to choose from, where one is to tell conditions apart; so many times as many before it is said
# that none does.
TO_CHOOSE_FROM, BEFORE_NONE = 200, 5
# A condition that is alone in the running is put to so many more, as many on either side of it as there are.
CONFIRMED = 8
# Where no condition fits, so many more are drawn, for what is said of it to be worth something.
MORE, OPEN = 12, "at random, since no condition fits"
# A mistake that shows at some values only is looked for in so many draws of a configuration.
DRAWS = 3
# And where a condition of two statements is in doubt, in so many configurations.
SUSPECTS = 4


class Search:
    """What was seen so far, and where to look next.

    Args:
        space: with the circumstances.
        visitor: asks the judge.
        most: configurations, of all kinds.
        seed: of the draws.
        deadline: ends it.
    """

    def __init__(self, space: Space, visitor: Visitor, most: int, seed: int, deadline: Deadline) -> None:
        self.space, self.visitor, self.most, self.deadline = space, visitor, most, deadline
        self.rng = np.random.default_rng([seed, 8])
        self.points: list[Choices] = []
        self.visits: list[Sighting] = []
        self.seen: set[str] = set()
        self.asked = 0

    # ------------------------------------------------------------------ looking

    def run(self) -> None:
        """Look until every condition is settled, or there is no more time, or enough was asked."""
        self.look(self.space.cover(), "every pair of choices")
        if all(visit.raised for visit in self.visits):  # nothing is going to be seen
            return
        self.look(self.drawn(AT_RANDOM), "at random")
        while not self.wrong_names() and len(self.visits) < WITHOUT_A_FIND * self.most and self.going:
            if not self.look(self.drawn(AT_RANDOM), "at random"):  # a small space: all was seen
                break
        for _ in range(2):  # and what was found on the way to the others
            for name in self.wrong_names():
                if not name.startswith(ASIDE):  # of side effects it is told when they were seen
                    self.settle(name)

    @property
    def going(self) -> bool:
        """Whether there are configurations and time left."""
        return self.asked < self.most and not self.deadline.passed

    def look(self, points: Any, why: str) -> int:
        """Visit these points; how many were new."""
        before = len(self.visits)
        for point in points:
            if not self.going:
                break
            configuration = self.space.settle(point, self.rng)
            if configuration is not None:
                self.visit(point, configuration, why)
        return len(self.visits) - before

    def visit(self, point: Choices, configuration: Choices, why: str) -> Sighting | None:
        key = repr(configuration)
        if key in self.seen:
            return None
        self.seen.add(key)
        visit = self.ask(configuration, 0, why)
        if visit is not None:
            self.points.append(point)
            self.visits.append(visit)
        return visit

    def ask(self, configuration: Choices, draw: int, why: str) -> Sighting | None:
        """One question to the judge; None where the time was up before it was answered."""
        self.asked += 1
        doing = f"configuration {self.asked} of at most {self.most}, {why}"
        seen = self.deadline.unless_late(doing, lambda: self.visitor(configuration, draw), None)
        return None if self.deadline.passed else seen  # what the end of the time left open is no answer

    def drawn(self, count: int) -> Iterator[Choices]:
        for _ in range(count):
            yield self.space.draw(self.rng)

    # ------------------------------------------------------------------ conditions

    def wrong_names(self) -> list[str]:
        """What is wrong somewhere: gradients, and what else was noticed."""
        return [name for name, outcomes in completed(self.visits).items() if WRONG in outcomes]

    def outcomes(self, name: str) -> tuple[Array, Array]:
        """The numbers of the visits at which it is wrong, and right."""
        found = completed(self.visits)[name]
        wrong, right = ([i for i, o in enumerate(found) if o == kind] for kind in (WRONG, RIGHT))
        return np.array(wrong, np.int64), np.array(right, np.int64)

    def statements(self, more: list[Choices]) -> list[Atom]:
        """Every statement about what was visited, and about `more` configurations."""
        table = Factors(self.space, [*(v.configuration for v in self.visits), *more])
        return atoms(self.space, table, self.visitor.first_input)

    def running(self, name: str) -> list[Condition]:
        """The conditions that fit all that was seen."""
        return fitting(self.statements([]), *self.outcomes(name))

    def necessary(self, name: str) -> Condition | None:
        """Where none fits: a condition without which it is never wrong."""
        return necessary(self.statements([]), *self.outcomes(name))

    def sufficient(self, name: str) -> Condition | None:
        """Where none fits: a condition with which it is always wrong."""
        return sufficient(self.statements([]), *self.outcomes(name))

    def alike(self, name: str, conditions: list[Condition]) -> list[str]:
        """Of conditions that fit, those that no configuration of the space tells from the first."""
        _, candidates = self.candidates(name)
        with_more = fitting(self.statements(candidates), *self.outcomes(name))
        first = next((c for c in with_more if c.text == conditions[0].text), None)
        if first is None:
            return []
        simple = conditions[0].cost + BOTH
        same = [c for c in with_more if c.cost <= simple and (c.holds == first.holds).all()]
        return [c.text for c in same if c is not first]

    def settle(self, name: str) -> None:
        """Ask where the conditions in the running differ, until one is left, or none."""
        more, wide = MORE, 1
        while self.going and len(self.outcomes(name)[1]):
            points, candidates = self.candidates(name, wide * TO_CHOOSE_FROM)
            found = self.statements(candidates)
            conditions = fitting(found, *self.outcomes(name))
            if not conditions:
                if self.explained_by_chance(name, found):
                    continue
                looked, more = more, 0
                if not looked or not self.look(self.drawn(looked), OPEN):
                    return
                continue
            first = len(self.visits)
            choice = telling(conditions, first + np.arange(len(candidates)))
            if choice is None and wide == 1:
                wide = BEFORE_NONE
                continue
            wide = 1
            if choice is not None:
                self.visit(points[choice - first], candidates[choice - first], "telling conditions apart")
            elif self.confirmed(name, conditions[0], points, candidates) and not self.doubted(
                name, conditions[0], found
            ):
                return

    def candidates(self, name: str, count: int = TO_CHOOSE_FROM) -> tuple[list[Choices], list[Choices]]:
        """Configurations to choose from that were not visited: drawn, and one choice away from those that are wrong."""
        found: list[tuple[Choices, Choices]] = []
        wrong = [self.points[i] for i in self.outcomes(name)[0]]
        for point in (*self.beside(wrong), *self.drawn(count)):
            configuration = self.space.settle(point, self.rng)
            if configuration is not None and repr(configuration) not in self.seen:
                found.append((point, configuration))
        found = self.showing(name, found)
        return [p for p, _ in found], [c for _, c in found]

    def showing(self, name: str, found: list[tuple[Choices, Choices]]) -> list[tuple[Choices, Choices]]:
        """Without those at which the gradient is zero, as it seems: asking there would show nothing."""
        outcomes = completed(self.visits)[name]
        silent, shown = ([i for i, o in enumerate(outcomes) if (o == EMPTY) is empty] for empty in (True, False))
        if len(silent) < CONFIRMED:
            return found
        statements = self.statements([c for _, c in found])
        conditions = fitting(statements, np.array(silent, np.int64), np.array(shown, np.int64))
        if not conditions:
            return found
        holds = conditions[0].holds[len(self.visits) :]
        return [one for one, says in zip(found, holds, strict=True) if not says]

    def beside(self, points: list[Choices]) -> Iterator[Choices]:
        for point in points[:4]:
            for name, choices in self.space.dimensions.items():
                for choice in choices:
                    changed = {**point, name: choice}
                    if choice != point[name] and self.space.valid(changed):
                        yield changed

    def confirmed(self, name: str, condition: Condition, points: list[Choices], candidates: list[Choices]) -> bool:
        """Whether a condition that is alone holds at configurations that nobody chose for it, on both sides of it."""
        first = len(self.visits)
        says = condition.holds[first:]
        sides = [np.flatnonzero(says == side)[: CONFIRMED // 2] for side in (True, False)]
        for place in (int(i) for side in sides for i in side[::-1]):
            visit = self.visit(points[place], candidates[place], "confirming the condition") if self.going else None
            outcome = None if visit is None else visit.outcomes.get(name, RIGHT)
            if outcome in (WRONG, RIGHT) and (outcome == WRONG) != bool(says[place]):
                return False
        return True

    def explained_by_chance(self, name: str, found: list[Atom]) -> bool:
        """Whether some that are right, where a condition says wrong, are wrong for other numbers."""
        wrong, right = self.outcomes(name)
        condition = necessary(found, wrong, right)
        if condition is None:
            return False
        return self.drawn_anew(name, [int(i) for i in right if condition.holds[i]])

    def doubted(self, name: str, condition: Condition, found: list[Atom]) -> bool:
        """Whether the second of two statements is an accident of the numbers: one alone would do, if some that are
        right were wrong for other numbers, and they are."""
        wrong, right = self.outcomes(name)
        simpler = [atom for atom in found if atom.cost < condition.cost and atom.holds[wrong].all()]
        if condition.text in {atom.text for atom in found} or not simpler:
            return False
        best = min(simpler, key=lambda atom: (int(atom.holds[right].sum()), atom.cost))
        return self.drawn_anew(name, [int(i) for i in right if best.holds[i]][-SUSPECTS:])

    def drawn_anew(self, name: str, places: list[int]) -> bool:
        """Whether some of these visits are wrong for other numbers."""
        changed = False
        for place in places:
            for draw in range(self.visits[place].draw + 1, DRAWS):
                if not self.going:
                    return changed
                other = self.ask(self.visits[place].configuration, draw, "other numbers")
                if other is None:
                    return changed
                self.visits[place] = drawn_again(self.visits[place], other)
                if other.outcomes.get(name) == WRONG:
                    changed = True
                    break
        return changed

    # ------------------------------------------------------------------ the smallest

    def smallest(self, name: str) -> tuple[Choices, int]:
        """The smallest configuration found at which it is wrong, and the draw of the numbers with which it is."""
        places = self.outcomes(name)[0]
        start = min((int(i) for i in places), key=lambda i: (self.weight(self.points[i]), i))
        known: dict[str, tuple[Choices, int] | None] = {repr(self.points[start]): self.of(start)}

        def fails(point: Choices) -> bool:
            key = repr(point)
            if key not in known:
                known[key] = self.failing(point, name)
            return known[key] is not None

        # Where the sizes themselves can be smaller, they are.
        smaller = self.failing(self.points[start], name)
        if smaller is not None:
            known[repr(self.points[start])] = smaller
        found = known[repr(self.space.shrink(self.points[start], fails))]
        assert found is not None
        return found

    def of(self, place: int) -> tuple[Choices, int]:
        return self.visits[place].configuration, self.visits[place].draw

    def weight(self, point: Choices) -> int:
        """How far a point is from the simplest choices."""
        return sum(point[k] != choices[0] for k, choices in self.space.dimensions.items())

    def failing(self, point: Choices, name: str) -> tuple[Choices, int] | None:
        """The smallest configuration of a point, if it is wrong there, and with which draw."""
        configuration = self.space.settle(point, None)
        if configuration is None:
            return None
        for draw in range(DRAWS if any(v.draw for v in self.visits) else 1):
            if self.deadline.passed:
                return None
            visit = self.ask(configuration, draw, "the smallest that is wrong")
            if visit is None or visit.outcomes.get(name) == RAISED:
                return None
            if draw == 0 and repr(configuration) not in self.seen:
                self.seen.add(repr(configuration))
                self.points.append(point)
                self.visits.append(visit)
            if visit.outcomes.get(name) == WRONG:
                return configuration, draw
        return None
