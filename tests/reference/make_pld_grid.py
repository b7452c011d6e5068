#!/usr/bin/env python3
"""Makes pld_grid.csv: what dp_accounting (Google) says about random settings, for discreet/accounting/pld_grid_test.cc.

usage: make_pld_grid.py [--row N] > pld_grid.csv      (pip install dp-accounting)

columns: mechanism, relation, sample_rate, parameter, integer, steps, delta, lower, upper
  parameter      gaussian, laplace: noise_multiplier; discrete_laplace: scale; randomized_response: epsilon
  integer        discrete_laplace: sensitivity; randomized_response: categories; else 1
  lower, upper   epsilon by its optimistic and its pessimistic estimate. The optimistic one rounds losses down at
                 every step, so it is far below where steps are many; the pessimistic one ("connect the dots") is near
                 the true value.
Each row has a generator of its own, seeded by its number: --row N computes that row alone.
"""
import argparse
import importlib.metadata
import math
import random

import dp_accounting
from dp_accounting.pld import privacy_loss_distribution as pld
from dp_accounting.rdp import rdp_privacy_accountant as rdp

ROWS = 1000
ADD = dp_accounting.NeighboringRelation.ADD_OR_REMOVE_ONE
REPLACE = dp_accounting.NeighboringRelation.REPLACE_ONE
NAMES = {ADD: "add-or-remove-one", REPLACE: "replace-one"}


class Setting:
    """Random, with an epsilon that may well be between 0.01 and 100."""

    def __init__(self, generator):
        def log_uniform(low, high):
            return math.exp(generator.uniform(math.log(low), math.log(high)))

        self.mechanism = generator.choice(["gaussian"] * 7 + ["laplace", "discrete_laplace", "randomized_response"])
        self.relation = REPLACE if self.mechanism == "randomized_response" else generator.choice([ADD, ADD, REPLACE])
        self.sample_rate = 1.0
        self.integer = 1
        self.steps = round(log_uniform(1, 1e6))
        self.delta = log_uniform(1e-10, 1e-1)
        if self.mechanism == "gaussian":
            if generator.random() < 0.9:
                self.sample_rate = log_uniform(1e-6, 1)
            self.parameter = log_uniform(0.3, 1000)
        elif self.mechanism == "laplace":
            self.parameter = log_uniform(0.3, 1000)
        elif self.mechanism == "discrete_laplace":
            self.integer = round(log_uniform(1, 30))
            self.parameter = self.integer * log_uniform(0.3, 1000)
        else:
            self.integer = round(log_uniform(2, 50))
            self.parameter = log_uniform(0.001, 5)

    @property
    def distance(self):
        """How far neighbours are apart, in units of what one unit contributes."""
        return 2 if self.relation is REPLACE else 1

    def about(self):
        """Epsilon, roughly and from above."""
        if self.mechanism != "gaussian":
            largest = self.largest_loss()
            rho = self.steps * largest**2 / 2
            return min(self.steps * largest, rho + 2 * math.sqrt(rho * -math.log(self.delta)))
        # Their noise is in units of the relation's own sensitivity, which is 1 where a sample may miss the unit.
        noise = self.parameter / (1 if self.sample_rate < 1 else self.distance)
        event = dp_accounting.GaussianDpEvent(noise)
        if self.sample_rate < 1:
            event = dp_accounting.PoissonSampledDpEvent(self.sample_rate, event)
            if self.relation is REPLACE:  # about as for two additions
                event = dp_accounting.SelfComposedDpEvent(event, 2)
        accountant = rdp.RdpAccountant(orders=[1.1, 1.5, 2, 3, 4, 6, 8, 12, 20, 32, 64, 128, 256])
        return accountant.compose(dp_accounting.SelfComposedDpEvent(event, self.steps)).get_epsilon(self.delta)

    def largest_loss(self):
        if self.mechanism == "randomized_response":
            return self.parameter
        return self.distance * self.integer / self.parameter

    def one(self, interval, pessimistic):
        """One release, as they make it."""
        options = {"value_discretization_interval": interval, "pessimistic_estimate": pessimistic}
        if self.mechanism == "gaussian":
            sampled = self.sample_rate < 1
            return pld.from_gaussian_mechanism(
                self.parameter, sensitivity=1 if sampled else self.distance, sampling_prob=self.sample_rate,
                neighboring_relation=self.relation if sampled else ADD, use_connect_dots=pessimistic, **options)
        if self.mechanism == "laplace":
            return pld.from_laplace_mechanism(
                self.parameter, sensitivity=self.distance, use_connect_dots=pessimistic, **options)
        if self.mechanism == "discrete_laplace":
            return pld.from_discrete_laplace_mechanism(
                1 / self.parameter, sensitivity=self.distance * self.integer, use_connect_dots=pessimistic, **options)
        # They tell the truth with probability 1 - p + p / k.
        noise = self.integer / (math.expm1(self.parameter) + self.integer)
        return pld.from_randomized_response(noise, self.integer, **options)

    def interval(self):
        """Of the grid: about 1/500 of a step's share of epsilon, coarser where the support would be too big."""
        about = self.about()
        if not 0.01 <= about <= 300:
            return None
        width = 2 * self.largest_loss() if self.mechanism != "gaussian" else (
            8 / self.parameter**2 + 40 / self.parameter)
        interval = max(min(1e-3, about / 500 / math.sqrt(self.steps)), width / 100000)
        return interval if interval * math.sqrt(self.steps) < about / 20 else None

    def epsilons(self):
        interval = self.interval()
        if interval is None:
            return None
        upper = self.one(interval, True).self_compose(self.steps).get_epsilon_for_delta(self.delta)
        if not (0.01 <= upper <= 100 and upper > 50 * interval):
            return None
        lower = self.one(interval, False).self_compose(self.steps).get_epsilon_for_delta(self.delta)
        return max(0.0, float(lower)), float(upper)


def row(number):
    generator = random.Random(number)
    while True:
        s = Setting(generator)
        epsilons = s.epsilons()
        if epsilons is not None:
            return ",".join([s.mechanism, NAMES[s.relation], repr(s.sample_rate), repr(s.parameter), str(s.integer),
                             str(s.steps), repr(s.delta), repr(epsilons[0]), repr(epsilons[1])])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--row", type=int, action="append", help="compute this row alone (may be repeated)")
    chosen = parser.parse_args().row
    if chosen is None:
        print(f"# dp_accounting {importlib.metadata.version('dp-accounting')}; made by make_pld_grid.py")
        print("mechanism,relation,sample_rate,parameter,integer,steps,delta,lower,upper")
    for number in range(ROWS) if chosen is None else chosen:
        print(row(number), flush=True)


if __name__ == "__main__":
    main()
