"""Epsilon, the whole curve and calibration by privacy loss distributions: ours beside Google's dp-accounting, in one run.

usage: bench/accounting.py PATH-OF-accounting_bench      (make bench)

Both give an upper bound for a plan of Poisson-sampled Gaussian steps, and ours a lower one in the same time;
dp-accounting's is computed at its default discretisation, 1e-4, by its fast path (from_gaussian_mechanism, then
self_compose). The curve is delta at 100 values of epsilon from 0 to twice the plan's. Times are medians; ratio: theirs
over ours, above 1 where ours is faster. width: upper minus lower bound of ours; gap: their upper bound minus ours, above
0 where ours is tighter.
"""
import json
import statistics
import subprocess
import sys
import time
from importlib.metadata import version

import dp_accounting
from dp_accounting.pld import PLDAccountant, privacy_loss_distribution

PLANS = [  # sample rate, noise multiplier, steps, delta
    (0.01, 1.0, 10_000, 1e-5),
    (0.0341, 1.4, 586, 1e-5),
    (0.137, 3.4, 292, 1e-5),
    (0.001, 0.8, 3_000, 1e-6),
    (0.2, 4.0, 1_000, 1e-9),
]


def epsilon(rate, noise, steps, delta):
    pld = privacy_loss_distribution.from_gaussian_mechanism(noise, sampling_prob=rate)
    return pld.self_compose(steps).get_epsilon_for_delta(delta)


def curve(rate, noise, steps, most):
    pld = privacy_loss_distribution.from_gaussian_mechanism(noise, sampling_prob=rate)
    return pld.self_compose(steps).get_delta_for_epsilon([most * k / 50 for k in range(100)])


def calibrate(rate, target, steps, delta):
    def event(noise):
        return dp_accounting.SelfComposedDpEvent(
            dp_accounting.PoissonSampledDpEvent(rate, dp_accounting.GaussianDpEvent(noise)), steps)
    return dp_accounting.calibrate_dp_mechanism(
        PLDAccountant, event, target, delta, bracket_interval=dp_accounting.LowerEndpointAndGuess(0.3, 1.0), tol=1e-4)


def median_ms(repeats, work):
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = work()
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times), result


def main():
    flat = [str(number) for plan in PLANS for number in plan]
    ours = [json.loads(line) for line in subprocess.run([sys.argv[1], *flat], check=True, text=True,
                                                        stdout=subprocess.PIPE).stdout.splitlines()]
    print(f"dp-accounting {version('dp-accounting')}; milliseconds")
    print(f"{'rate':>7} {'noise':>6} {'steps':>6} {'delta':>6} | {'epsilon':>9} {'width':>8} {'gap':>9} | "
          f"{'ours':>7} {'theirs':>8} {'ratio':>6} | curve {'ours':>7} {'theirs':>8} {'ratio':>6} | "
          f"calibration {'ours':>7} {'theirs':>8} {'ratio':>6}")
    for (rate, noise, steps, delta), our in zip(PLANS, ours):
        their_ms, their = median_ms(5, lambda: epsilon(rate, noise, steps, delta))
        curve_ms, _ = median_ms(3, lambda: curve(rate, noise, steps, our["upper"]))
        calibrate_ms, _ = median_ms(1, lambda: calibrate(rate, our["upper"], steps, delta))
        print(f"{rate:7g} {noise:6g} {steps:6d} {delta:6g} | {our['upper']:9.5f} {our['upper'] - our['lower']:8.1e} "
              f"{their - our['upper']:9.1e} | {our['epsilon_ms']:7.2f} {their_ms:8.1f} "
              f"{their_ms / our['epsilon_ms']:6.1f} | {'':5} {our['curve_ms']:7.2f} {curve_ms:8.1f} "
              f"{curve_ms / our['curve_ms']:6.1f} | {'':11} {our['calibrate_ms']:7.1f} {calibrate_ms:8.0f} "
              f"{calibrate_ms / our['calibrate_ms']:6.1f}", flush=True)


if __name__ == "__main__":
    main()
