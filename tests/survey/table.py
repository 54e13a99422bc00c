"""Planted conditions: what somebody wrote in a backward pass, and when that is wrong.

Most take after reports about public code: a border that is not cut off, a gradient that is assigned where windows
overlap, an axis that is guessed from its length, statistics of another mode, a cache that is filled once. The condition
is not written into the code; it follows from the mistake. `texts` are all the wordings that are true of it.
"""

from __future__ import annotations

from crosscheck.spaces import Space
from tests.survey.layers import Attention, BatchNorm, Convolution, Dense, GroupNorm, Leaky, Pool, Recurrent, summed_to
from tests.survey.plants.attention import ATTENTION, ATTENTIONS, attention
from tests.survey.plants.convolutions import CONVOLUTION, CONVOLUTIONS, convolution
from tests.survey.plants.dense import DENSE, DENSES, dense
from tests.survey.plants.elementwise import ELEMENTWISE, OTHERS, leaky, multiplied
from tests.survey.plants.norms import IMAGES, NORMS, ROWS, batch_norm, group_norm
from tests.survey.plants.plant import Make
from tests.survey.plants.pools import POOLING, POOLS, pool
from tests.survey.plants.recurrent import RECURRENT, RECURRENTS, recurrent

PLANTS = (*CONVOLUTIONS, *POOLS, *DENSES, *NORMS, *ATTENTIONS, *RECURRENTS, *OTHERS)

HEALTHY: tuple[tuple[str, Make, Space], ...] = (
    ("convolution", convolution(Convolution), CONVOLUTION),
    ("max pool", pool(Pool), POOLING),
    ("mean pool", pool(type("MeanPool", (Pool,), {"mean": True})), POOLING),
    ("dense", dense(Dense), DENSE),
    ("batch norm", batch_norm(BatchNorm), ROWS),
    ("group norm", group_norm(GroupNorm), IMAGES),
    ("attention", attention(Attention), ATTENTION),
    ("recurrent", recurrent(Recurrent), RECURRENT),
    ("leaky", leaky(Leaky), ELEMENTWISE),
    ("product", multiplied(summed_to), ELEMENTWISE),
)
