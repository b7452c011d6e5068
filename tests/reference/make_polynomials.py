#!/usr/bin/env python3
"""Prints the polynomials of discreet/base/box_muller_floats.cc: minimax by Remez exchange, rounded to floats.

usage: make_polynomials.py      (pip install mpmath)

  logarithm  p in ln(1 + f) = f + f^2 p(f), f in [-1/2, 0]
  sine       sin(pi y) / y and
  cosine     cos(pi y) in powers of y^2, y in [-1/2, 1/2]

Each line ends with log2 of the largest error after rounding: relative for the logarithm, absolute for the others.
"""
import struct

from mpmath import cos, log, log1p, lu_solve, matrix, mp, mpf, pi, sin, sqrt

mp.prec = 200
POINTS = 1500


def as_float(x):
    return struct.unpack("f", struct.pack("f", float(x)))[0]


def value(coefficients, x):
    return sum(mpf(c) * x**j for j, c in enumerate(coefficients))


def minimax(function, low, high, terms, weight):
    def points(count):
        return [(low + high) / 2 + (high - low) / 2 * cos(pi * k / count) for k in range(count + 1)]

    grid, extrema = points(POINTS), points(terms)
    for _ in range(30):
        system, right = matrix(terms + 1, terms + 1), matrix(terms + 1, 1)
        for i, x in enumerate(extrema):
            for j in range(terms):
                system[i, j] = x**j
            system[i, terms] = (-1) ** i / weight(x)
            right[i] = function(x)
        coefficients = list(lu_solve(system, right))[:terms]
        errors = [(function(x) - value(coefficients, x)) * weight(x) for x in grid]
        peaks = []
        for i, error in enumerate(errors):
            if peaks and (error > 0) == (errors[peaks[-1]] > 0):
                if abs(error) > abs(errors[peaks[-1]]):
                    peaks[-1] = i
            else:
                peaks.append(i)
        while len(peaks) > terms + 1:
            peaks.pop(0 if abs(errors[peaks[0]]) < abs(errors[peaks[-1]]) else -1)
        if len(peaks) < terms + 1:
            break
        extrema = [grid[i] for i in peaks]
    return [as_float(c) for c in coefficients]


def show(name, coefficients, error):
    print(f"{name:10}", ", ".join(f"{c:.9g}f" for c in coefficients), f"   2^{float(log(error, 2)):.1f}")


def main():
    half, steps = mpf(1) / 2, [mpf(i) / 20000 for i in range(1, 10001)]

    log_part = lambda f: (log1p(f) - f) / f**2 if abs(f) > mpf(10) ** -15 else f / 3 - half
    log_weight = lambda f: (f**2 / abs(log1p(f)) if f else mpf(0)) + mpf(2) ** -4
    p = minimax(log_part, -half, mpf(0), 9, log_weight)
    show("logarithm", p, max(abs((y * y * value(p, -y) - y) / log1p(-y) - 1) for y in steps))

    sine = minimax(lambda z: sin(pi * sqrt(z)) / sqrt(z) if z > 0 else pi, mpf(0), mpf(1) / 4, 5,
                   lambda z: sqrt(abs(z)) + mpf(2) ** -5)
    show("sine", sine, max(abs(y * value(sine, y * y) - sin(pi * y)) for y in steps))

    cosine = minimax(lambda z: cos(pi * sqrt(abs(z))), mpf(0), mpf(1) / 4, 6, lambda z: mpf(1))
    show("cosine", cosine, max(abs(value(cosine, y * y) - cos(pi * y)) for y in steps))


if __name__ == "__main__":
    main()
