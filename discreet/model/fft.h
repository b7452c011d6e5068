// Fourier transforms of many planes at once (each element is a Lane: 16 planes).
//
// Stockham's self-sorting transform (Van Loan, "Computational Frameworks for the Fast Fourier Transform",
// 1992, section 1.7) with radices 2, 3, 4 and 5. Forward sign exp(-2 pi i k x / n), not normalised. The
// inverse is the same call with real and imaginary parts exchanged: ifft(re, im) = fft with (im, re).
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "discreet/model/lane.h"

namespace discreet {

struct ComplexLanes {
  Lane* re;
  Lane* im;
};

// One pass of the transform of a length n = radix * rest.
struct FftPass {
  int radix;
  int64_t rest;
  std::vector<float> twiddles;  // [rest][radix - 1][2]: cos and -sin of 2 pi q k / n
};

// The passes for a length whose only prime factors are 2, 3 and 5; an Error for any other.
std::vector<FftPass> fft_plan(int64_t length);

// The smallest multiple of 4 that is at least `length` and has only the prime factors 2, 3 and 5.
int64_t fft_length(int64_t length);

template <int kRadix>
DISCREET_INLINE void fft_butterfly(Lane* re, Lane* im) {
  if constexpr (kRadix == 2) {
    const Lane a = re[0], b = im[0];
    re[0] = a + re[1], im[0] = b + im[1];
    re[1] = a - re[1], im[1] = b - im[1];
  } else if constexpr (kRadix == 3) {
    constexpr float kSin = 0.86602540378443864676f;
    const Lane sum_re = re[1] + re[2], sum_im = im[1] + im[2];
    const Lane dif_re = kSin * (re[1] - re[2]), dif_im = kSin * (im[1] - im[2]);
    const Lane mid_re = re[0] - 0.5f * sum_re, mid_im = im[0] - 0.5f * sum_im;
    re[0] += sum_re, im[0] += sum_im;
    re[1] = mid_re + dif_im, im[1] = mid_im - dif_re;
    re[2] = mid_re - dif_im, im[2] = mid_im + dif_re;
  } else if constexpr (kRadix == 4) {
    const Lane a_re = re[0] + re[2], a_im = im[0] + im[2], b_re = re[0] - re[2], b_im = im[0] - im[2];
    const Lane c_re = re[1] + re[3], c_im = im[1] + im[3], d_re = re[1] - re[3], d_im = im[1] - im[3];
    re[0] = a_re + c_re, im[0] = a_im + c_im;
    re[1] = b_re + d_im, im[1] = b_im - d_re;
    re[2] = a_re - c_re, im[2] = a_im - c_im;
    re[3] = b_re - d_im, im[3] = b_im + d_re;
  } else {
    static_assert(kRadix == 5);
    constexpr float kCos1 = 0.30901699437494742410f, kSin1 = 0.95105651629515357212f;
    constexpr float kCos2 = -0.80901699437494742410f, kSin2 = 0.58778525229247312917f;
    const Lane p_re = re[1] + re[4], p_im = im[1] + im[4], q_re = re[2] + re[3], q_im = im[2] + im[3];
    const Lane u_re = re[1] - re[4], u_im = im[1] - im[4], v_re = re[2] - re[3], v_im = im[2] - im[3];
    const Lane a_re = re[0] + kCos1 * p_re + kCos2 * q_re, a_im = im[0] + kCos1 * p_im + kCos2 * q_im;
    const Lane b_re = re[0] + kCos2 * p_re + kCos1 * q_re, b_im = im[0] + kCos2 * p_im + kCos1 * q_im;
    const Lane c_re = kSin1 * u_re + kSin2 * v_re, c_im = kSin1 * u_im + kSin2 * v_im;
    const Lane d_re = kSin2 * u_re - kSin1 * v_re, d_im = kSin2 * u_im - kSin1 * v_im;
    re[0] += p_re + q_re, im[0] += p_im + q_im;
    re[1] = a_re + c_im, im[1] = a_im - c_re;
    re[4] = a_re - c_im, im[4] = a_im + c_re;
    re[2] = b_re + d_im, im[2] = b_im - d_re;
    re[3] = b_re - d_im, im[3] = b_im + d_re;
  }
}

// in, out: [radix * rest][inner]; inner counts independent transforms that lie side by side.
template <int kRadix>
DISCREET_INLINE void fft_pass(const FftPass& pass, int64_t inner, ComplexLanes in, ComplexLanes out) {
  for (int64_t q = 0; q < pass.rest; ++q) {
    const float* twiddle = pass.twiddles.data() + q * 2 * (kRadix - 1);
    for (int64_t r = 0; r < inner; ++r) {
      Lane re[kRadix], im[kRadix];
      for (int k = 0; k < kRadix; ++k) {
        re[k] = in.re[r + inner * (q + pass.rest * k)];
        im[k] = in.im[r + inner * (q + pass.rest * k)];
      }
      fft_butterfly<kRadix>(re, im);
      const int64_t to = r + inner * kRadix * q;
      out.re[to] = re[0], out.im[to] = im[0];
      for (int k = 1; k < kRadix; ++k) {
        const float c = twiddle[2 * k - 2], s = twiddle[2 * k - 1];
        out.re[to + inner * k] = c * re[k] - s * im[k];
        out.im[to + inner * k] = c * im[k] + s * re[k];
      }
    }
  }
}

// Transforms [length][inner] along its first index; the result is in the first argument or in the second:
// the returned pair is (result, the other one).
DISCREET_INLINE std::pair<ComplexLanes, ComplexLanes> fft(const std::vector<FftPass>& plan, int64_t inner,
                                                          ComplexLanes data, ComplexLanes spare) {
  for (const FftPass& pass : plan) {
    switch (pass.radix) {
      case 2: fft_pass<2>(pass, inner, data, spare); break;
      case 3: fft_pass<3>(pass, inner, data, spare); break;
      case 4: fft_pass<4>(pass, inner, data, spare); break;
      default: fft_pass<5>(pass, inner, data, spare); break;
    }
    std::swap(data, spare);
    inner *= pass.radix;
  }
  return {data, spare};
}

// Transforms a plane [height][width]; returns (result, the other one) as fft does.
DISCREET_INLINE std::pair<ComplexLanes, ComplexLanes> fft2(const std::vector<FftPass>& rows,
                                                           const std::vector<FftPass>& columns,
                                                           int64_t height, int64_t width, ComplexLanes data,
                                                           ComplexLanes spare) {
  std::pair<ComplexLanes, ComplexLanes> last{data, spare};
  for (int64_t y = 0; y < height; ++y) {
    const int64_t at = y * width;
    last = fft(columns, 1, {data.re + at, data.im + at}, {spare.re + at, spare.im + at});
  }
  const int64_t back = (height - 1) * width;
  return fft(rows, width, {last.first.re - back, last.first.im - back},
             {last.second.re - back, last.second.im - back});
}

}  // namespace discreet
