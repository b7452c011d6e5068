#include "discreet/dp/device/keystream.h"

#include <utility>

#include "discreet/base/error.h"
#include "discreet/dp/device/secrets.h"

namespace discreet::device {
namespace {

constexpr int64_t kCounters = int64_t{1} << 32;

// Each row is four words of every block, side by side: one operation does four columns of all blocks.
struct Rows {
  at::Tensor a, b, c, d;
};

// In place: (x << bits) + (the highest bits of x). Sums of int32 wrap round; its right shift is arithmetic,
// so the copies of the sign are masked off. right: 32 - bits, on the host.
void rotate_left(at::Tensor& x, int bits, const at::Tensor& right, at::Tensor& space) {
  at::bitwise_right_shift_out(space, x, right);
  space.bitwise_and_((1 << bits) - 1);
  at::add_out(x, space, x, 1 << bits);
}

void quarter_rounds(Rows& rows, at::Tensor& space) {
  // As tensors of the right type: made once, where a number would be made one at every call.
  static const at::Tensor right = at::arange(33, at::kInt);
  const auto half = [&](int first, int second) {
    rotate_left(rows.d.bitwise_xor_(rows.a.add_(rows.b)), first, right[32 - first], space);
    rotate_left(rows.b.bitwise_xor_(rows.c.add_(rows.d)), second, right[32 - second], space);
  };
  half(16, 12);
  half(8, 7);
}

// last: [4, n], the counters and the nonces.
at::Tensor blocks_of(const at::Tensor& key, const at::Tensor& last) {
  static const at::Tensor expand =  // "expand 32-byte k"
      at::tensor({0x61707865, 0x3320646e, 0x79622d32, 0x6b206574}, at::kInt);
  const int64_t n = last.size(1);
  Secrets secrets;
  const at::Tensor first =
      secrets.keep(at::cat({expand.to(key.device(), /*non_blocking=*/true), key}).unsqueeze(1));
  const at::Tensor work = secrets.keep(at::empty({32, n}, key.options()));
  const auto row = [&](int64_t i) { return work.narrow(0, 4 * i, 4); };
  Rows rows{row(0), row(1), row(2), row(3)}, turned{row(0), row(4), row(5), row(6)};
  at::Tensor space = row(7);
  work.narrow(0, 0, 12).copy_(first);
  rows.d.copy_(last);
  // Row i becomes row i + by.
  const auto turn = [](const at::Tensor& from, at::Tensor& to, int64_t by) {
    at::cat_out(to, {from.narrow(0, by, 4 - by), from.narrow(0, 0, by)}, 0);
  };
  for (int round = 0; round < 20; round += 2) {
    quarter_rounds(rows, space);
    turn(rows.b, turned.b, 1), turn(rows.c, turned.c, 2), turn(rows.d, turned.d, 3);  // diagonals to columns
    quarter_rounds(turned, space);
    turn(turned.b, rows.b, 3), turn(turned.c, rows.c, 2), turn(turned.d, rows.d, 1);
  }
  at::Tensor words = at::empty({16, n}, key.options());
  at::Tensor upper = words.narrow(0, 0, 12), lower = words.narrow(0, 12, 4);
  at::add_out(upper, work.narrow(0, 0, 12), first);
  at::add_out(lower, rows.d, last);
  return words;
}

void require(bool right, const char* what) {
  if (!right) throw Error(ErrorKind::kInvalidArgument, what);
}

void require_key(const at::Tensor& key) {
  require(key.scalar_type() == at::kInt && key.dim() == 1 && key.size(0) == 8,
          "chacha20: the key must be eight words of int32");
}

int32_t as_signed(int64_t word) {
  return static_cast<int32_t>(static_cast<uint32_t>(word));
}

}  // namespace

at::Tensor chacha20(const at::Tensor& key, const std::array<uint32_t, 3>& nonce, int64_t counter,
                    int64_t blocks) {
  require_key(key);
  require(counter >= 0 && blocks >= 0 && counter <= kCounters && blocks <= kCounters - counter,
          "chacha20: the counter of 32 bits would wrap round");
  const at::Tensor last = at::empty({4, blocks}, key.options());
  // In int64 and then the low words: there may be more than 2^31 blocks.
  last.select(0, 0).copy_(at::arange(counter, counter + blocks, key.options().dtype(at::kLong)));
  for (int64_t i = 0; i < 3; ++i) last.select(0, i + 1).fill_(as_signed(nonce[static_cast<size_t>(i)]));
  return blocks_of(key, last);
}

at::Tensor chacha20(const at::Tensor& key, const at::Tensor& nonces, int64_t counter) {
  require_key(key);
  require(nonces.scalar_type() == at::kInt && nonces.dim() == 2 && nonces.size(0) == 3,
          "chacha20: nonces must be [3, n] words of int32");
  require(counter >= 0 && counter < kCounters, "chacha20: the counter has 32 bits");
  const at::Tensor last = at::empty({4, nonces.size(1)}, key.options());
  last.select(0, 0).fill_(as_signed(counter));
  last.narrow(0, 1, 3).copy_(nonces);
  return blocks_of(key, last);
}

}  // namespace discreet::device
