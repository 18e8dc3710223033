"""The methods that a run can compare, one module each. No torch.

A new method is a module and a line in ``METHODS``: from there it has its section of the
configuration, its ``--method``, its stages, its row in the results and its place on the screen.
"""

from __future__ import annotations

from oreo_agent.learning.methods import awr, dpo, iql_bppo, kto, oreo, rejection, sft
from oreo_agent.learning.methods.method import Method, MethodSettings

__all__ = ["METHODS", "Method", "MethodSettings"]

METHODS: dict[str, Method] = {
    "sft": sft.SFT,
    "rejection": rejection.REJECTION,
    "dpo": dpo.DPO,
    "dpo-nll": dpo.DPO_NLL,
    "kto": kto.KTO,
    "awr": awr.AWR,
    "iql-bppo": iql_bppo.IQL_BPPO,
    "oreo": oreo.OREO,
    "oreo-step": oreo.OREO_STEP,
    "oreo-response": oreo.OREO_RESPONSE,
    "oreo-astar": oreo.OREO_ASTAR,
}
"""By name, in the order in which a run trains them. All but ``sft`` start from a trained policy and
learn from the same rollouts, with as many updates of as many episodes."""
