#include "discreet/dp/device/lattice_gaussian.h"

#include <ATen/core/grad_mode.h>
#include <sodium.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <utility>

#include "discreet/base/error.h"
#include "discreet/base/lattice_gaussian.h"
#include "discreet/dp/device/box_muller.h"
#include "discreet/dp/device/keystream.h"
#include "discreet/dp/device/secrets.h"
#include "discreet/dp/device/wide.h"

namespace discreet::device {
namespace internal {
namespace {

constexpr std::array<uint32_t, 3> kNoNonce = {};
constexpr int64_t kWideBatch = 256;  // pairs at a time when all are wide

// Two keys of a chunk: of the words of its pairs and of the further digits. int32 [2, 8] on the device.
at::Tensor keys_from(RandomStream& random, at::Device device) {
  at::Tensor host = at::empty({2, 8}, at::kInt);
  const std::span words(host.data_ptr<int32_t>(), 16);
  random.fill(std::as_writable_bytes(words));
  // Pageable memory: it is read before the call returns, so it may be wiped.
  at::Tensor keys = host.to(device, /*non_blocking=*/true, /*copy=*/true);
  sodium_memzero(words.data(), words.size_bytes());
  return keys;
}

// value / step in a whole number and the rest. Both are 0 where doubles are multiples of the step anyway
// (2^52 steps and more) and for what is not finite.
struct Split {
  explicit Split(const at::Tensor& scaled) {
    fine = scaled.lt(0x1p52).bitwise_and_(scaled.gt(-0x1p52));
    const at::Tensor coarse = fine.bitwise_not();
    whole = scaled.round().masked_fill_(coarse, 0);
    rest = (scaled - whole).masked_fill_(coarse, 0);
  }
  at::Tensor fine, whole, rest;
};

// The same noise as doubles, with all digits, and what it makes of `rest`: whole numbers [2, pairs picked].
at::Tensor wide_steps(const at::Tensor& radius, const at::Tensor& angle, const at::Tensor& key,
                      const at::Tensor& rest, const at::Tensor& pick, double scale) {
  Secrets secrets;
  // Pair number i of the chunk has the nonce {i, 0, 0}; eight words of its first block are used.
  at::Tensor nonces = at::zeros({3, pick.size(0)}, key.options());
  nonces.select(0, 0).copy_(pick);
  const at::Tensor further = secrets.keep(chacha20(key, nonces, 0));
  const at::Tensor noise =
      secrets.keep(box_muller_wide(secrets.keep(radius.gather(0, pick)), secrets.keep(angle.gather(0, pick)),
                                   further.narrow(0, 0, 8), scale));
  return nearest_whole(settle(from_double(rest.gather(1, pick.expand({2, -1}))).add_(noise)));
}

// values: [2, pairs], in place. -> undecided pairs.
at::Tensor add_to_chunk(RandomStream& random, double stddev, at::Tensor values, bool all_wide) {
  const double step = lattice_step(stddev), scale = stddev / step;
  const int64_t pairs = values.size(1);
  Secrets secrets;
  const at::Tensor keys = secrets.keep(keys_from(random, values.device()));
  // Word number w, with the words [16, blocks] in the order of rows, is the radius of pair w, and for
  // w >= pairs the angle of pair w - pairs.
  const at::Tensor words =
      secrets.keep(chacha20(keys.select(0, 0), kNoNonce, 0, (2 * pairs + 15) / 16)).view(-1);
  const at::Tensor radius = words.narrow(0, 0, pairs), angle = words.narrow(0, pairs, pairs);
  const Pairs doubles = box_muller_doubles(radius, angle, scale);
  const Split split(secrets.keep(values / step));
  at::Tensor steps = secrets.keep(secrets.keep(doubles.noise).add_(split.rest).round());
  // The nearest boundaries are half a step from whole numbers: a pair is undecided from there on. What is not
  // finite has no rest, so it takes nobody's room.
  const at::Tensor apart = doubles.noise.sub_(steps).copysign_(1.0);
  const at::Tensor reach =
      secrets.keep(secrets.keep(doubles.error).add_(at::maximum(apart.select(0, 0), apart.select(0, 1))));
  const at::Tensor undecided = reach.ge(0.5);
  secrets.keep(split.rest);
  if (all_wide) {
    for (int64_t first = 0; first < pairs; first += kWideBatch) {
      const int64_t last = std::min(first + kWideBatch, pairs);
      const at::Tensor pick = at::arange(first, last, values.options().dtype(at::kLong));
      steps.narrow(1, first, last - first)
          .copy_(wide_steps(radius, angle, keys.select(0, 1), split.rest, pick, scale));
    }
  } else {
    // Also some that are decided, which get the same again.
    const at::Tensor pick =
        std::get<1>(reach.topk(room_for_undecided(pairs), 0, /*largest=*/true, /*sorted=*/false));
    steps.index_copy_(1, pick, wide_steps(radius, angle, keys.select(0, 1), split.rest, pick, scale));
  }
  // 0 + makes a negative zero positive: the sign of a zero would tell on which side the sum was. The product
  // is exact.
  values.masked_fill_(split.fine, 0.0).add_(split.whole.add_(steps), step);
  return undecided.sum();
}

void require_values(const at::Tensor& values) {
  if (values.scalar_type() != at::kDouble || values.dim() != 1 || !values.is_contiguous())
    throw Error(ErrorKind::kInvalidArgument,
                "noise on a device is added to contiguous tensors of double with one dimension");
}

}  // namespace

// A pair is undecided with probability below 2^-15: a boundary lies within `error` of one of its values. For
// one value, with the density of both normals integrated along the boundaries (1 / scale apart, so a sum over
// them is an integral nearly), that is 2 scale (1.01 * 2^-33 * 5.8 + (pi 2^-32 + 2^-45) * 1.26) < 2^-17.2;
// then both values, the tails 2^-23, and a factor above 2 for "nearly". The room: the chance that a Poisson
// number of this mean, and so a binomial one, exceeds it is by Chernoff's bound below 2^-80.
int64_t room_for_undecided(int64_t pairs) {
  const double mean = static_cast<double>(pairs) * 0x1p-15;
  int64_t room = 0;
  for (;; ++room) {
    const auto more = static_cast<double>(room + 1);
    if (more > mean && more - mean - more * std::log(more / mean) < -80 * std::log(2.)) break;
    if (room == pairs) break;
  }
  return room;
}

std::vector<at::Tensor> add_lattice_gaussian(RandomStream& random, double stddev, const at::Tensor& values,
                                             const Options& options) {
  require_values(values);
  const at::NoGradGuard no_grad;
  static_cast<void>(lattice_step(stddev));  // refuses before anything is drawn
  std::vector<at::Tensor> undecided;
  const int64_t n = values.numel(), chunk = 2 * options.chunk_pairs;
  for (int64_t first = 0; first < n; first += chunk) {
    const int64_t size = std::min(chunk, n - first);
    const at::Tensor part = values.narrow(0, first, size);
    if (size % 2 == 0) {
      undecided.push_back(add_to_chunk(random, stddev, part.view({2, -1}), options.all_wide));
    } else {
      const at::Tensor padded = at::constant_pad_nd(part, {0, 1}, 0);
      undecided.push_back(add_to_chunk(random, stddev, padded.view({2, -1}), options.all_wide));
      part.copy_(padded.narrow(0, 0, size));
    }
  }
  return undecided;
}

}  // namespace internal

void add_lattice_gaussian(RandomStream& random, double stddev, at::Tensor values) {
  internal::require_values(values);
  // On `meta` nothing is computed, so there is nothing to check.
  if (!values.is_meta()) check_device(values.device());
  internal::add_lattice_gaussian(random, stddev, values, {});
}

namespace {

[[noreturn]] void refuse(at::Device device, const std::string& what) {
  throw Error(ErrorKind::kUnsupported, "noise cannot be drawn on device " + device.str() + ": its " + what +
                                           " is not what it must be");
}

void check_keystream(at::Device device) {
  at::Tensor key = at::empty({8}, at::kInt);
  for (int i = 0; i < 8; ++i) key.data_ptr<int32_t>()[i] = 0x03020100 + 0x04040404 * i;
  // RFC 8439, section 2.3.2.
  constexpr std::array<uint32_t, 16> kExpected = {
      0xe4e7f110, 0x15593bd1, 0x1fdd0f50, 0xc47120a3, 0xc7f4d1c7, 0x0368c033, 0x9aaa2204, 0x4e6cd4c3,
      0x466482d2, 0x09aa9f07, 0x05d7c214, 0xa2028bd9, 0xd19c12b5, 0xb94e16de, 0xe883d0cb, 0x4e3c50a2};
  const at::Tensor words =
      chacha20(key.to(device), std::array<uint32_t, 3>{0x09000000, 0x4a000000, 0}, 1, 1).cpu().contiguous();
  for (size_t i = 0; i < kExpected.size(); ++i)
    if (static_cast<uint32_t>(words.data_ptr<int32_t>()[i]) != kExpected[i]) refuse(device, "ChaCha20");
}

// To 2^-49 of the answer: half of what box_muller.h's bound allows for all of them and their products.
void check_functions(at::Device device) {
  constexpr int kNumbers = 1000;
  at::Tensor numbers = at::empty({kNumbers}, at::kDouble);
  auto* x = numbers.data_ptr<double>();
  for (int i = 0; i < kNumbers; ++i) {
    const double between = std::fmod((i + 1) * 0.6180339887498949, 1.);
    x[i] = i % 3 == 0   ? std::ldexp(between, -i % 32)
           : i % 3 == 1 ? 1 - std::ldexp(between, -i % 32)
                        : between;
  }
  const auto check = [&](const char* name, const at::Tensor& got, const auto& expected, double relative) {
    const at::Tensor host = got.cpu();
    for (int i = 0; i < kNumbers; ++i) {
      const double right = expected(x[i]);
      if (!(std::abs(host.data_ptr<double>()[i] - right) <= relative * std::abs(right))) refuse(device, name);
    }
  };
  const at::Tensor there = numbers.to(device);
  check(
      "log1p", (-there).log1p(), [](double value) { return std::log1p(-value); }, 0x1p-49);
  check(
      "log2", there.log2(), [](double value) { return std::log2(value); }, 0x1p-40);
  check(
      "cos", (there * 1.57).cos(), [](double value) { return std::cos(value * 1.57); }, 0x1p-49);
  check(
      "sin", (there * 1.57).sin(), [](double value) { return std::sin(value * 1.57); }, 0x1p-49);
  check(
      "sqrt", there.sqrt(), [](double value) { return std::sqrt(value); }, 0x1p-51);
  // Halves go to the even number.
  check(
      "round", (there * 1000).round_().mul_(0.5).round(),
      [](double value) { return std::rint(0.5 * std::rint(value * 1000)); }, 0);
}

void check_wide(at::Device device) {
  at::Tensor words = at::empty({10, 64}, at::kInt);
  uint32_t word = 1;
  for (int i = 0; i < words.numel(); ++i) {
    words.data_ptr<int32_t>()[i] = static_cast<int32_t>(word);
    word = word * 1664525 + 1013904223;
  }
  const auto noise = [](const at::Tensor& all) {
    return box_muller_wide(all.select(0, 0), all.select(0, 1), all.narrow(0, 2, 8), 1777.7);
  };
  const at::Tensor difference = to_double(settle(noise(words.to(device)).cpu() - noise(words))).abs().max();
  if (!(difference.item<double>() < 0x1p-84)) refuse(device, "arithmetic of wide numbers");
}

}  // namespace

void check_device(at::Device device) {
  static std::mutex mutex;
  static std::set<std::pair<int, int>> passed;
  const std::pair<int, int> name(static_cast<int>(device.type()), device.index());
  const std::lock_guard lock(mutex);
  if (passed.count(name)) return;
  const at::NoGradGuard no_grad;
  check_keystream(device);
  check_functions(device);
  check_wide(device);
  passed.insert(name);
}

}  // namespace discreet::device
