#include "discreet/base/lattice_gaussian.h"

#include <quadmath.h>
#include <sodium.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "discreet/base/box_muller.h"
#include "discreet/base/chacha20.h"
#include "discreet/base/error.h"
#include "discreet/base/lattice_rounding.h"
#include "discreet/base/text.h"

namespace discreet {
namespace internal {
namespace {

constexpr size_t kBlock = 1024;  // values at a time: all that a block needs stays in the first-level cache

// What a call works with. It tells the noise, so it is wiped.
struct Workspace {
  alignas(64) std::array<uint32_t, kBlock> words;
  alignas(64) std::array<float, kBlock> noise;
  alignas(64) std::array<float, kBlock / 2> error;
  std::array<uint32_t, kBlock / 2> undecided;
  std::array<uint32_t, 8> further_key;
  ~Workspace() { sodium_memzero(this, sizeof *this); }
};

// The further bits of pair number `pair`: a keystream of their own, so that they are the same whichever pairs
// before it needed theirs.
class FurtherBits {
 public:
  FurtherBits(std::span<const uint32_t, 8> key, uint64_t pair)
      : key_(key), nonce_{static_cast<uint32_t>(pair), static_cast<uint32_t>(pair >> 32), 0} {}
  ~FurtherBits() { sodium_memzero(words_.data(), sizeof words_); }

  uint64_t next() {
    if (position_ == words_.size()) {
      chacha20(key_, nonce_, counter_, words_);
      counter_ += 16;
      position_ = 0;
    }
    const uint64_t low = words_[position_], high = words_[position_ + 1];
    position_ += 2;
    return high << 32 | low;
  }

 private:
  std::span<const uint32_t, 8> key_;
  std::array<uint32_t, 3> nonce_;
  uint32_t counter_ = 0;
  std::array<uint32_t, kChaCha20Group> words_;
  size_t position_ = kChaCha20Group;
};

double nearest(double x) {
  return std::rint(x);
}
double nearest(__float128 x) {
  return static_cast<double>(rintq(x));
}

// (value + noise steps) rounded to the lattice; `certain` becomes false where an error of `error` steps in
// the noise could change it.
template <class Noise>
double rounded(double value, Noise noise, double step, double error, bool& certain) {
  const double scaled = value / step;
  // Doubles of 2^52 steps and more are multiples of the step: only the noise needs rounding.
  const bool fine = std::abs(scaled) < 0x1p52;
  const double whole = fine ? std::rint(scaled) : 0;
  const Noise sum = fine ? (scaled - whole) + noise : noise;
  const double steps = nearest(sum);
  certain &= std::abs(static_cast<double>(sum - steps)) + error < 0.5;
  // + 0.0 makes a negative zero positive: the sign of a zero would tell on which side the sum was.
  return fine ? (whole + steps + 0.0) * step : value + steps * step;
}

// The noise of one call, block by block.
template <class T>
class LatticeNoise {
 public:
  LatticeNoise(RandomStream& random, double stddev, Precision first)
      : random_(random), step_(lattice_step(stddev)), scale_(stddev / step_), first_(first) {
    random.fill(std::as_writable_bytes(std::span(work_.further_key)));
  }

  // Up to kBlock values; a block that is not whole groups must be the last.
  void add(std::span<T> values) {
    if (values.size() % kGroup == 0) return add_to_groups(values);
    std::array<T, kBlock> groups{};
    std::copy(values.begin(), values.end(), groups.begin());
    add_to_groups(std::span(groups).first((values.size() + kGroup - 1) / kGroup * kGroup));
    std::copy_n(groups.begin(), values.size(), values.begin());
  }

 private:
  void add_to_groups(std::span<T> values) {
    const std::span words = std::span(work_.words).first(values.size());
    random_.fill(std::as_writable_bytes(words));
    uint32_t undecided = 0;
    if (first_ == Precision::kFloat) {
      box_muller_floats(words, scale_, work_.noise, work_.error);
      undecided =
          static_cast<uint32_t>(round_to_lattice(values, work_.noise, work_.error, step_, work_.undecided));
    } else {
      for (; undecided < values.size() / 2; ++undecided) work_.undecided[undecided] = undecided;
    }
    for (const uint32_t pair : std::span(work_.undecided).first(undecided)) round_pair(pair, values);
    pairs_before_ += values.size() / 2;
  }

  // Both values of a pair of this block, by doubles or, where these cannot tell, by quadruple precision.
  void round_pair(uint32_t pair, std::span<T> values) {
    const size_t radius_at = pair / kPairsInGroup * kGroup + pair % kPairsInGroup;
    const size_t at[2] = {radius_at, radius_at + kPairsInGroup};
    const uint32_t radius_word = work_.words[at[0]], angle_word = work_.words[at[1]];
    double results[2];
    bool certain = first_ != Precision::kQuad;
    if (certain) {
      double noise[2];
      const double error = box_muller_double(radius_word, angle_word, scale_, noise);
      for (int i = 0; i < 2; ++i) results[i] = rounded(values[at[i]], noise[i], step_, error, certain);
    }
    if (!certain) {
      __float128 noise[2];
      FurtherBits further(work_.further_key, pairs_before_ + pair);
      box_muller_quad(
          radius_word, angle_word, [&] { return further.next(); }, scale_, noise);
      for (int i = 0; i < 2; ++i) results[i] = rounded(values[at[i]], noise[i], step_, 0, certain);
    }
    for (int i = 0; i < 2; ++i) values[at[i]] = static_cast<T>(results[i]);
  }

  RandomStream& random_;
  const double step_, scale_;
  const Precision first_;
  uint64_t pairs_before_ = 0;
  Workspace work_;
};

template <class T>
void require_finite(std::span<const T> values) {
  if (!all_finite(values))
    throw Error(ErrorKind::kInvalidArgument,
                "a value of the sum is not finite: noise is added to finite sums only");
}

// The values from `begin` on come near while others are worked at.
template <class T>
void fetch(std::span<const T> values, size_t begin) {
  constexpr size_t kLine = 64 / sizeof(T);
  for (size_t i = begin; i < std::min(begin + kBlock, values.size()); i += kLine)
    __builtin_prefetch(values.data() + i);
}

// after(block): what else is done with a block of values that have got their noise.
template <class T, class After>
void add(RandomStream& random, double stddev, std::span<T> values, Precision first, const After& after) {
  LatticeNoise<T> noise(random, stddev, first);
  for (size_t begin = 0; begin < values.size(); begin += kBlock) {
    const auto block = values.subspan(begin, std::min(kBlock, values.size() - begin));
    fetch(std::span<const T>(values), begin + kBlock);
    require_finite(std::span<const T>(block));
    noise.add(block);
    after(block);
  }
}

void require_stddev_for_floats(double stddev) {
  if (!fits_floats(stddev)) {
    throw Error(ErrorKind::kInvalidArgument,
                "stddev of the noise on floats must be in [2^-100, 2^96], not " + format_number(stddev));
  }
}

constexpr auto kNothing = [](auto) {};

}  // namespace

void add_lattice_gaussian(RandomStream& random, double stddev, std::span<double> values, Precision first) {
  require_finite(std::span<const double>(values));
  add(random, stddev, values, first, kNothing);
}

void add_lattice_gaussian(RandomStream& random, double stddev, std::span<float> values, Precision first) {
  require_stddev_for_floats(stddev);
  require_finite(std::span<const float>(values));
  add(random, stddev, values, first, kNothing);
}

}  // namespace internal

bool fits_floats(double stddev) {
  return stddev >= 0x1p-100 && stddev <= 0x1p96;
}

double lattice_step(double stddev) {
  if (!(stddev >= 0x1p-900 && stddev <= 0x1p900)) {
    throw Error(ErrorKind::kInvalidArgument,
                "stddev of the noise must be in [2^-900, 2^900], not " + format_number(stddev));
  }
  return std::ldexp(1.0, std::ilogb(stddev) - 10);
}

void add_lattice_gaussian(RandomStream& random, double stddev, std::span<double> values) {
  internal::add_lattice_gaussian(random, stddev, values, internal::Precision::kFloat);
}

void add_lattice_gaussian(RandomStream& random, double stddev, std::span<float> values) {
  internal::add_lattice_gaussian(random, stddev, values, internal::Precision::kFloat);
}

namespace {

// load(begin, block): the sums from there on.
template <class Load>
void release(RandomStream& random, double stddev, double factor, std::span<float> released,
             const Load& load) {
  internal::LatticeNoise<double> noise(random, stddev, internal::Precision::kFloat);
  std::array<double, internal::kBlock> block;
  for (size_t begin = 0; begin < released.size(); begin += block.size()) {
    const auto values = std::span(block).first(std::min(block.size(), released.size() - begin));
    load(begin, values);
    internal::require_finite(std::span<const double>(values));
    noise.add(values);
    multiply(values, factor, released.subspan(begin, values.size()));
  }
}

void require_factor(double factor, bool sizes_equal) {
  if (!std::isfinite(factor) || !sizes_equal) {
    throw Error(ErrorKind::kInvalidArgument,
                "release_lattice_gaussian: the factor must be finite and the sizes equal");
  }
}

}  // namespace

void release_lattice_gaussian(RandomStream& random, double stddev, std::span<const double> sums,
                              double factor, std::span<float> released) {
  require_factor(factor, released.size() == sums.size());
  release(random, stddev, factor, released, [&](size_t begin, std::span<double> block) {
    internal::fetch(sums, begin + internal::kBlock);
    std::copy_n(sums.data() + begin, block.size(), block.data());
  });
}

void release_lattice_gaussian(RandomStream& random, double stddev, std::span<const float> sums,
                              std::span<const float> more, double factor, std::span<float> released) {
  require_factor(factor, released.size() == sums.size() && more.size() == sums.size());
  release(random, stddev, factor, released, [&](size_t begin, std::span<double> block) {
    for (const std::span<const float> each : {sums, more}) internal::fetch(each, begin + internal::kBlock);
    add_floats(sums.subspan(begin, block.size()), more.subspan(begin, block.size()), block);
  });
}

void release_lattice_gaussian(RandomStream& random, double stddev, double factor, std::span<float> sums) {
  require_factor(factor, true);
  internal::require_stddev_for_floats(stddev);
  internal::add(random, stddev, sums, internal::Precision::kFloat,
                [factor](std::span<float> block) { multiply(std::span<const float>(block), factor, block); });
}

}  // namespace discreet
