#!/usr/bin/env python3
"""Makes rdp_grid.csv: what dp_accounting (Google) says about random settings, for discreet/accounting/rdp_test.cc.

usage: make_rdp_grid.py > rdp_grid.csv      (pip install dp-accounting)

columns: relation, sample_rate, noise_multiplier, steps, delta, rdp, pld
  rdp   epsilon of RdpAccountant, default orders; empty where it does not support the relation
  pld   epsilon from privacy loss distributions ("connect the dots"), close to the true one; empty where delta is
        too small for its truncation (below 1e-11) or the distribution too wide for a fine grid
"""
import importlib.metadata
import math
import random

import dp_accounting
from dp_accounting.pld import privacy_loss_distribution as pld
from dp_accounting.rdp import rdp_privacy_accountant as rdp

SETTINGS = 240
ADD = ("add-or-remove-one", dp_accounting.NeighboringRelation.ADD_OR_REMOVE_ONE)
REPLACE = ("replace-one", dp_accounting.NeighboringRelation.REPLACE_ONE)


def log_uniform(low, high):
    return math.exp(random.uniform(math.log(low), math.log(high)))


def rdp_epsilon(relation, rate, noise, steps, delta):
    # There noise is in units of the relation's own sensitivity: replacing without sampling moves a sum by 2 C.
    sensitivity = 2 if relation is REPLACE[1] and rate == 1 else 1
    event = dp_accounting.GaussianDpEvent(noise / sensitivity)
    if rate < 1:
        event = dp_accounting.PoissonSampledDpEvent(rate, event)
    accountant = rdp.RdpAccountant(neighboring_relation=relation)
    event = dp_accounting.SelfComposedDpEvent(event, steps)
    if not accountant.supports(event):
        return ""
    return repr(float(accountant.compose(event).get_epsilon(delta)))


def pld_epsilon(relation, rate, noise, steps, delta, about):
    """On a grid of about 1/500 of a step's share of epsilon, coarser where the support would be too big."""
    if delta < 1e-11:
        return ""
    width = 8 / noise**2 + 40 / noise  # of one step's privacy loss
    interval = max(min(1e-3, about / 500 / math.sqrt(steps)), width / 100000)
    if interval * math.sqrt(steps) > about / 20:
        return ""
    one = pld.from_gaussian_mechanism(
        noise, sensitivity=1 if relation is ADD[1] or rate < 1 else 2, value_discretization_interval=interval,
        sampling_prob=rate, neighboring_relation=relation if rate < 1 else ADD[1])
    epsilon = one.self_compose(steps).get_epsilon_for_delta(delta)
    return repr(float(epsilon)) if 50 * interval < epsilon < math.inf else ""


def main():
    random.seed(1)
    print(f"# dp_accounting {importlib.metadata.version('dp-accounting')}; made by make_rdp_grid.py")
    print("relation,sample_rate,noise_multiplier,steps,delta,rdp,pld")
    for number in range(SETTINGS):
        name, relation = REPLACE if number % 3 == 0 else ADD
        rate = 1.0 if number % 10 == 9 else log_uniform(1e-5, 1)
        noise = log_uniform(0.4, 100) if number % 4 == 0 else log_uniform(0.5, 8)
        steps = round(log_uniform(1, 1e6) if number % 4 == 0 else log_uniform(1, 2e4))
        delta = log_uniform(1e-15, 1e-2) if number % 5 == 0 else log_uniform(1e-9, 1e-4)
        reached = rdp_epsilon(relation, rate, noise, steps, delta)
        about = float(reached) if reached else float(rdp_epsilon(ADD[1], rate, noise, steps, delta))
        tight = pld_epsilon(relation, rate, noise, steps, delta, about) if 0 < about < 100 else ""
        print(f"{name},{rate!r},{noise!r},{steps},{delta!r},{reached},{tight}", flush=True)


if __name__ == "__main__":
    main()
