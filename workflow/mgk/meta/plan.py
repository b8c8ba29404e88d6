"""What an analysis of the config asks of its table: measure, moderators, subgroup, cluster, order.

What it is for: `plan_of` turns the settings of config.yaml into one object that the notebook, the methods paragraph and
the checks share, so that none of them reads the settings in a way of its own. `exact_counts` is the part of an analysis
that only counts have.
"""

from dataclasses import dataclass

import pandas as pd

from mgk.meta.columns import COUNTS, PROPORTION
from mgk.meta.counts import counts_table

BIAS = "rob_"
"""Columns of the table that begin so hold judgements of the risk of bias."""


@dataclass(frozen=True)
class Plan:
    """An analysis as asked: names of columns, "" where nothing is asked.

    `moderators` are those of the meta-regression, the subgroup last when it is not among them; `bias` the columns with
    judgements that the table fills.
    """

    measure: str
    moderators: tuple[str, ...]
    subgroup: str
    cluster: str
    order: str
    bias: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the settings name, each once."""
        return tuple(dict.fromkeys(c for c in (*self.moderators, self.subgroup, self.cluster, self.order) if c))

    @property
    def keep(self) -> tuple[str, ...]:
        """The columns that the effects must carry along."""
        return (*self.columns, *self.bias)


def plan_of(settings: dict, table: pd.DataFrame) -> Plan:
    """Return the plan of an analysis from its settings in config.yaml, for its table."""
    subgroup = settings.get("subgroup", "")
    moderators = tuple(dict.fromkeys([*settings.get("moderators", []), *([subgroup] if subgroup else [])]))
    bias = tuple(c for c in table if c.startswith(BIAS) and (table[c].notna() & (table[c] != "")).any())
    return Plan(settings["measure"], moderators, subgroup, settings.get("cluster", ""), settings.get("order", ""), bias)


def exact_counts(effects: pd.DataFrame) -> pd.DataFrame:
    """Return `counts_table` of effects that are made from counts; of others, the studies' ids without any row."""
    if set(COUNTS) <= set(effects) or set(PROPORTION) <= set(effects):
        return counts_table(effects)
    return effects.loc[[], ["study_id", "study"]]
