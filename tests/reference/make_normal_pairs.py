#!/usr/bin/env python3
"""Makes normal_pairs.csv: Box-Muller pairs to 40 digits, for discreet/base/box_muller_test.cc.

usage: make_normal_pairs.py > normal_pairs.csv      (pip install mpmath)

columns: radius_word, angle_word (32 bits), up to five further words of 64 bits in the order in which they are drawn, all
hexadecimal; then the two values at standard deviation 1. u and v end after those digits. The mapping is the one of box_muller.h.
Radii from 1e-9 to 9.4 standard deviations: the probability beyond 9 is 2e-19, where no sample ever comes.
"""
import random

from mpmath import cos, exp, floor, log, mp, mpf, nstr, pi, sin, sqrt

mp.prec = 400


def digits(number, bits):
    return int(floor(number * mpf(2) ** bits))


def main():
    draw = random.Random(1)
    radii = [mpf(10) ** -9, mpf(10) ** -4, mpf("0.01"), mpf("0.5")] + [mpf(k) / 5 for k in range(4, 48)]
    print("radius_word,angle_word,further0,further1,further2,further3,further4,first,second")
    for radius in radii:
        for _ in range(4):
            u = exp(-((radius * (1 + mpf(draw.random()) / 1000)) ** 2) / 2)
            radius_word = digits(u, 32)
            high = radius_word >> 31
            # Above one half the further bits extend 1 - u, of which ~radius_word are the first ones.
            nearer = 1 - u if high else u
            lead = (~radius_word & 0xFFFFFFFF) if high else radius_word
            rest = digits(nearer, 32 + 128) - (lead << 128)
            further = [rest >> 64, rest & (2**64 - 1)]
            if lead == 0:  # leading zeros take one more word, so the cut is 64 digits later
                rest = digits(nearer, 32 + 192)
                further = [rest >> 128, rest >> 64 & (2**64 - 1), rest & (2**64 - 1)]
            nearer = mpf((lead << 64 * len(further)) + rest) / mpf(2) ** (32 + 64 * len(further))
            angle_word = draw.getrandbits(32)
            angle_lead = (angle_word ^ 0x80000000) >> 1
            angle_rest = draw.getrandbits(128)
            v = mpf((angle_lead << 128) + angle_rest) / mpf(2) ** (31 + 128)
            further += [angle_rest >> 64, angle_rest & (2**64 - 1)]
            if angle_lead == 0 or (lead == 0 and further[0] == 0):
                continue
            r = sqrt(-2 * log(1 - nearer if high else nearer)) * (-1 if angle_word & 1 else 1)
            x = pi * (v - mpf(1) / 2)
            words = ",".join(format(word, "x") for word in further + [0] * (5 - len(further)))
            print(f"{radius_word:x},{angle_word:x},{words},{nstr(r * cos(x), 40)},{nstr(r * sin(x), 40)}")


if __name__ == "__main__":
    main()
