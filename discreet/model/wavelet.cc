#include "discreet/model/wavelet.h"

#include <cmath>
#include <numbers>

namespace discreet {
namespace {

constexpr double kPi = std::numbers::pi;

// Sum over the aliases of the pixel grid of the Gaussian's Fourier transform, centred at the frequency
// `centre` in the direction of the wavelet. 1 at the centre, up to the aliases.
double gaussian_spectrum(const Morlet& wavelet, double wy, double wx, double centre) {
  const double c = std::cos(wavelet.angle), s = std::sin(wavelet.angle);
  double sum = 0;
  for (int ay = -2; ay <= 2; ++ay) {
    for (int ax = -2; ax <= 2; ++ax) {
      const double y = wy + 2 * kPi * ay, x = wx + 2 * kPi * ax;
      const double along = c * x + s * y - centre, across = (c * y - s * x) / wavelet.slant;
      sum += std::exp(-0.5 * wavelet.sigma * wavelet.sigma * (along * along + across * across));
    }
  }
  return sum;
}

}  // namespace

Morlet scattering_wavelet(int scale, int angle, int angles) {
  const double octave = std::exp2(scale);
  return {0.8 * octave, 0.75 * kPi / octave, 4.0 / angles, kPi * angle / angles};
}

double low_pass_sigma(int scales) {
  return 0.8 * std::exp2(scales - 1);
}

std::vector<double> wavelet_spectrum(const Morlet& wavelet, int64_t height, int64_t width) {
  const double beta =
      gaussian_spectrum(wavelet, 0, 0, wavelet.frequency) / gaussian_spectrum(wavelet, 0, 0, 0);
  std::vector<double> spectrum(static_cast<size_t>(height * width));
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      // Frequencies in [-pi, pi), so that two aliases on each side are plenty.
      const double wy =
          2 * kPi * static_cast<double>(2 * y < height ? y : y - height) / static_cast<double>(height);
      const double wx =
          2 * kPi * static_cast<double>(2 * x < width ? x : x - width) / static_cast<double>(width);
      spectrum[static_cast<size_t>(y * width + x)] = gaussian_spectrum(wavelet, wy, wx, wavelet.frequency) -
                                                     beta * gaussian_spectrum(wavelet, wy, wx, 0);
    }
  }
  return spectrum;
}

}  // namespace discreet
