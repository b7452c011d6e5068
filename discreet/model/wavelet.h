// Morlet wavelets and the Gaussian low pass of the scattering transform.
//
// Mallat, "Group invariant scattering", 2012; Bruna and Mallat, "Invariant scattering convolution networks",
// 2013, section 2.1; sigma 0.8, xi 3 pi / 4 and the slant as in the implementation Kymatio. In the frame of
// the angle theta, u along the oscillation and v across it,
//   psi_j(u, v) = slant / (2 pi s^2) * exp(-(u^2 + slant^2 v^2) / (2 s^2)) * (exp(i w u) - beta),
//   s = 0.8 * 2^j,  w = 3 pi / 4 / 2^j,  slant = 4 / angles,  beta such that the wavelet sums to zero.
#pragma once

#include <cstdint>
#include <vector>

namespace discreet {

struct Morlet {
  double sigma;      // pixels, along the oscillation
  double frequency;  // radians a pixel
  double slant;      // sigma along / sigma across
  double angle;      // radians, from the x axis (columns) towards the y axis (rows)
};

Morlet scattering_wavelet(int scale, int angle, int angles);

// Width of the low pass of `scales` octaves: 0.8 * 2^(scales - 1) pixels.
double low_pass_sigma(int scales);

// The discrete Fourier transform of the wavelet sampled at the pixels of a torus [height][width]: real,
// because the wavelet is Hermitian. Computed from the Fourier transform of the Gaussian by Poisson's sum, not
// from samples.
std::vector<double> wavelet_spectrum(const Morlet& wavelet, int64_t height, int64_t width);

}  // namespace discreet
