"""Collecting the evidence: every witness on every gradient of one operation at one setting.

collect         the order of the steps, and what becomes of their answers
setting         the point: what the code and the reference say there first
arithmetic      hand-derived and autodiff, as formulas and as arithmetic
moved           the witnesses that move the inputs
conventions     where only entries on kinks are open
"""
