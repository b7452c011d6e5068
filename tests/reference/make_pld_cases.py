#!/usr/bin/env python3
"""Makes pld_cases.csv: delta at epsilon by a slow path of its own in high precision, for pld_grid_test.cc.

usage: make_pld_cases.py > pld_cases.csv      (pip install mpmath)

columns: sample_rate, noise_multiplier, steps, epsilon, delta        (Poisson-sampled Gaussian, add-or-remove-one)

delta is the inversion of a characteristic function along a tilted line: for any r > 0, with M(z) = (E_P e^(z L))^steps,
  delta(epsilon) = 1/(2 pi) integral over real u of M(r + iu) e^(-(r + iu) epsilon) / ((r + iu) (1 + r + iu)) du
because max(0, 1 - e^-x) has the Laplace transform 1 / (z (1 + z)). E_P e^(z L) is itself an integral over the outcome.
Both are by the trapezoidal rule, whose error for such analytic integrands is beyond the digits that are kept. No grid
of losses and no rounding of losses: nothing in common with the accountant.
"""
import mpmath as mp

mp.mp.dps = 30
CASES = [  # sample_rate, noise_multiplier, steps, epsilon
    (0.5, 1.0, 20, 12), (0.1, 1.0, 100, 6), (0.02, 0.7, 1000, 8), (0.2, 4.0, 50, 3), (0.01, 1.0, 10**4, 9),
    (0.3, 20.0, 1000, 4), (1e-3, 1.0, 10**6, 9), (0.05, 100.0, 10**6, 3), (0.9, 50.0, 10**4, 10), (0.01, 0.8, 10**6, 180),
]


class Mechanism:
    """One release: ln E_P e^(z L), L = ln(P/Q), by the trapezoidal rule in the outcome x."""

    def __init__(self, direction, q, s, most):
        q, s = mp.mpf(q), mp.mpf(s)
        self.direction = direction
        h = min(s / 3, s * s / 4)  # the integrand is analytic in the strip |Im x| < pi s^2
        left, right = -13 * s - (most if direction == "add" else 0), 13 * s + 2 + most
        self.points = []
        for i in range(int((right - left) / h) + 1):
            x = left + i * h
            ratio = mp.log(1 - q + q * mp.exp((2 * x - 1) / (2 * s * s)))  # of the mixture to N(0)
            self.points.append((h / (s * mp.sqrt(2 * mp.pi)) * mp.exp(-x * x / (2 * s * s)), ratio))

    def log_moment(self, z):
        power = 1 + z if self.direction == "remove" else -z
        return mp.log(mp.fsum(weight * mp.exp(power * ratio) for weight, ratio in self.points))


def delta_of(direction, q, s, steps, epsilon):
    one = Mechanism(direction, q, s, 40)
    # The tilt at which K(r) - r epsilon - ln(r (1 + r)) is least.
    def height(r):
        return steps * one.log_moment(r) - r * epsilon - mp.log(r * (1 + r))

    low, high = mp.mpf("0.01"), mp.mpf(40)
    for _ in range(16):  # roughly is enough
        a, b = low + (high - low) / 3, high - (high - low) / 3
        low, high = (low, b) if height(a) < height(b) else (a, high)
    r = (low + high) / 2
    step = r / 64
    curvature = (height(r + step) - 2 * height(r) + height(r - step)) / step**2
    stride = 1 / (mp.sqrt(curvature) * 4)
    total, k, last = mp.mpf(0), 0, 0
    while k - last < 8:  # eight negligible terms in a row
        z = mp.mpc(r, k * stride)
        term = mp.exp(steps * one.log_moment(z) - z * epsilon) / (z * (1 + z))
        total += (1 if k == 0 else 2) * mp.re(term)
        if abs(term) > mp.mpf(10) ** -13 * abs(total):
            last = k
        k += 1
        if k > 5000:
            raise RuntimeError("the characteristic function does not vanish")
    return total * stride / (2 * mp.pi)


def main():
    print(f"# mpmath {mp.__version__}, {mp.mp.dps} digits; made by make_pld_cases.py")
    print("sample_rate,noise_multiplier,steps,epsilon,delta")
    for q, s, steps, epsilon in CASES:
        worst = max(delta_of(direction, q, s, steps, epsilon) for direction in ("remove", "add"))
        print(f"{q!r},{s!r},{steps},{epsilon},{mp.nstr(worst, 12)}", flush=True)


if __name__ == "__main__":
    main()
