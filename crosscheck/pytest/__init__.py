"""Gradient checks in pytest. The plugin is there wherever this package is installed.

def test_dense(gradcheck):
gradcheck(forward, backward, {"x": x, "w": w}, reference)

plugin          options, the fixture, what pytest asks                 light: nothing is imported before it is used
fixture         `gradcheck`: every door, with the options' seed and budget
tables          `configurations`: a table, or a space, a test for each row
strategies      a space's points for Hypothesis
pages           a failure's section is the page
smallest        the smallest configuration and values that fail
pasting         the same as a test to be pasted
"""

from crosscheck.pytest.tables import configurations

__all__ = ["configurations"]
