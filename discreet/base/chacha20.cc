#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "discreet/base/chacha20.cc"
#include <hwy/foreach_target.h>
//
#include <hwy/highway.h>

#include "discreet/base/chacha20.h"
#include "discreet/base/error.h"

// Compiled once for each kind of vectors; the processor's best is chosen when the program runs.
HWY_BEFORE_NAMESPACE();
namespace discreet {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Words = hn::CappedTag<uint32_t, 16>;
using Vector = hn::Vec<Words>;

template <int kBits>
HWY_INLINE Vector rotate_left(Vector v) {
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_SSSE3 || HWY_TARGET == HWY_SSE4
  // Without a rotation of words, whole bytes move by one shuffle.
  if constexpr (kBits % 8 == 0) {
    alignas(16) static constexpr uint8_t kBy8[16] = {3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14};
    alignas(16) static constexpr uint8_t kBy16[16] = {2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13};
    const hn::Repartition<uint8_t, Words> bytes;
    const auto order = hn::LoadDup128(bytes, kBits == 8 ? kBy8 : kBy16);
    return hn::BitCast(Words(), hn::TableLookupBytes(hn::BitCast(bytes, v), order));
  }
#endif
  return hn::RotateRight<32 - kBits>(v);
}

HWY_INLINE void quarter_round(Vector& a, Vector& b, Vector& c, Vector& d) {
  a = hn::Add(a, b), d = rotate_left<16>(hn::Xor(d, a));
  c = hn::Add(c, d), b = rotate_left<12>(hn::Xor(b, c));
  a = hn::Add(a, b), d = rotate_left<8>(hn::Xor(d, a));
  c = hn::Add(c, d), b = rotate_left<7>(hn::Xor(b, c));
}

// As many blocks as a vector has lanes, from state[12] on; word i to out[16 i ...].
HWY_INLINE void blocks(const uint32_t state[16], uint32_t* out) {
  const Words words;
  const auto start = [&](size_t i) { return hn::Set(words, state[i]); };
  Vector v0 = start(0), v1 = start(1), v2 = start(2), v3 = start(3);
  Vector v4 = start(4), v5 = start(5), v6 = start(6), v7 = start(7);
  Vector v8 = start(8), v9 = start(9), v10 = start(10), v11 = start(11);
  const Vector counters = hn::Add(start(12), hn::Iota(words, 0));
  Vector v12 = counters, v13 = start(13), v14 = start(14), v15 = start(15);
  for (int round = 0; round < 20; round += 2) {
    quarter_round(v0, v4, v8, v12);
    quarter_round(v1, v5, v9, v13);
    quarter_round(v2, v6, v10, v14);
    quarter_round(v3, v7, v11, v15);
    quarter_round(v0, v5, v10, v15);
    quarter_round(v1, v6, v11, v12);
    quarter_round(v2, v7, v8, v13);
    quarter_round(v3, v4, v9, v14);
  }
  const auto put = [&](size_t i, Vector v, Vector initial) {
    hn::StoreU(hn::Add(v, initial), words, out + 16 * i);
  };
  put(0, v0, start(0)), put(1, v1, start(1)), put(2, v2, start(2)), put(3, v3, start(3));
  put(4, v4, start(4)), put(5, v5, start(5)), put(6, v6, start(6)), put(7, v7, start(7));
  put(8, v8, start(8)), put(9, v9, start(9)), put(10, v10, start(10)), put(11, v11, start(11));
  put(12, v12, counters), put(13, v13, start(13)), put(14, v14, start(14)), put(15, v15, start(15));
}

void groups(const uint32_t* initial, uint32_t* out, size_t size) {
  const size_t lanes = hn::Lanes(Words());
  alignas(64) uint32_t state[16];
  for (size_t i = 0; i < 16; ++i) state[i] = initial[i];
  for (size_t group = 0; group < size; group += kChaCha20Group) {
    for (size_t lane = 0; lane < 16; lane += lanes) {
      blocks(state, out + group + lane);
      state[12] += static_cast<uint32_t>(lanes);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace discreet
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace discreet {

HWY_EXPORT(groups);

void chacha20(std::span<const uint32_t, 8> key, std::span<const uint32_t, 3> nonce, uint32_t counter,
              std::span<uint32_t> words) {
  if (words.size() % kChaCha20Group != 0) {
    throw Error(ErrorKind::kInvalidArgument, "chacha20: the number of words must be a multiple of 256");
  }
  uint32_t state[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};  // "expand 32-byte k"
  for (size_t i = 0; i < 8; ++i) state[4 + i] = key[i];
  state[12] = counter;
  for (size_t i = 0; i < 3; ++i) state[13 + i] = nonce[i];
  HWY_DYNAMIC_DISPATCH(groups)(state, words.data(), words.size());
}

}  // namespace discreet
#endif
