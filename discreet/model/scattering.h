// Wavelet scattering of images: features that cost no privacy, because they are the same fixed function of
// each record alone and are learnt from nothing.
//
// Mallat 2012; Bruna and Mallat 2013: two octaves, eight angles, orders 0, 1 and 2. With psi from wavelet.h
// and the low pass phi (Gaussian, 1.6 pixels), each plane x gives 81 maps of a quarter of its height and
// width:
//   0            x * phi
//   1 + 8 j + a  | x * psi(j, a) | * phi                        j = 0, 1
//   17 + 8 a + b | | x * psi(0, a) | * psi(1, b) | * phi
// The image is mirrored at its border (4 pixels or more on each side) and then closed to a torus, where the
// wavelets are applied by Fourier transforms, with the finer grid dropped as soon as it is not needed; phi is
// applied directly, in the mirrored image only, at points that lie centred in the image, its weights summing
// to 1.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <vector>

#include "discreet/model/fft.h"

namespace discreet {

inline constexpr int kScatteringScales = 2;
inline constexpr int kScatteringAngles = 8;
inline constexpr int64_t kScatteringChannels = 81;
inline constexpr int64_t kScatteringSmallest = 8;   // pixels, height and width
inline constexpr int64_t kScatteringLargest = 512;  // bounds the memory of a transform

class Scattering {
 public:
  // Throws kUnsupported for a height or width outside [kScatteringSmallest, kScatteringLargest].
  Scattering(int64_t height, int64_t width);

  // float [B, C, height, width] -> float [B, C * 81, height / 4, width / 4]; each record for itself.
  torch::Tensor operator()(const torch::Tensor& images) const;

 private:
  struct Grid {  // one resolution of the torus
    int64_t height, width;
    std::vector<FftPass> rows, columns;
    std::vector<float> average_rows, average_columns;  // [height / 4][grid height], [width / 4][grid width]
  };
  struct Workspace;
  void transform(const float* planes, int64_t count, float* out, Workspace& work) const;
  void average(const Grid& grid, const Lane* plane, int64_t channel, int64_t count, float* out,
               Workspace& work) const;
  void second_wavelets(ComplexLanes spectrum, int64_t first_channel, int64_t count, float* out,
                       Workspace& work) const;

  int64_t height_, width_, out_height_, out_width_;
  int64_t pad_top_, pad_left_;
  Grid fine_, coarse_;  // every pixel, every second pixel
  std::vector<std::vector<float>> first_,
      second_;  // spectra [fine height][fine width] of psi(0, .) and psi(1, .)
};

}  // namespace discreet
