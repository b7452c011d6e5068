#include "discreet/dp/device/keystream.h"

#include <gtest/gtest.h>

#include <array>
#include <span>
#include <vector>

#include "discreet/base/chacha20.h"
#include "discreet/base/error.h"

namespace discreet::device {
namespace {

at::Tensor words_of(const std::vector<uint32_t>& words) {
  at::Tensor tensor = at::empty({static_cast<int64_t>(words.size())}, at::kInt);
  for (size_t i = 0; i < words.size(); ++i) tensor.data_ptr<int32_t>()[i] = static_cast<int32_t>(words[i]);
  return tensor;
}

const std::vector<uint32_t> kKey = {0x03020100, 0x07060504, 0x0b0a0908, 0x0f0e0d0c,
                                    0x13121110, 0x17161514, 0x1b1a1918, 0x1f1e1d1c};
const std::vector<uint32_t> kHighKey = {0xffffffff, 0x80000000, 0x7fffffff, 0, 1, 0xdeadbeef, 0x89abcdef, 5};

uint32_t word(const at::Tensor& words, int64_t i, int64_t block) {
  return static_cast<uint32_t>(words[i][block].item<int32_t>());
}

// Blocks of base/chacha20.h: 16 lie word by word.
std::vector<uint32_t> base_blocks(const std::vector<uint32_t>& key, const std::array<uint32_t, 3>& nonce,
                                  uint32_t counter, size_t blocks) {
  std::vector<uint32_t> words((blocks + 15) / 16 * kChaCha20Group);
  discreet::chacha20(std::span<const uint32_t, 8>(key), nonce, counter, words);
  return words;
}
uint32_t base_word(const std::vector<uint32_t>& words, size_t i, size_t block) {
  return words[block / 16 * kChaCha20Group + 16 * i + block % 16];
}

TEST(DeviceKeystream, IsThatOfTheRfc) {
  const at::Tensor words = chacha20(words_of(kKey), std::array<uint32_t, 3>{0x09000000, 0x4a000000, 0}, 1, 1);
  const std::vector<uint32_t> expected = {
      // section 2.3.2
      0xe4e7f110, 0x15593bd1, 0x1fdd0f50, 0xc47120a3, 0xc7f4d1c7, 0x0368c033, 0x9aaa2204, 0x4e6cd4c3,
      0x466482d2, 0x09aa9f07, 0x05d7c214, 0xa2028bd9, 0xd19c12b5, 0xb94e16de, 0xe883d0cb, 0x4e3c50a2};
  ASSERT_EQ(words.sizes(), (std::vector<int64_t>{16, 1}));
  for (int64_t i = 0; i < 16; ++i) EXPECT_EQ(word(words, i, 0), expected[static_cast<size_t>(i)]) << i;
}

TEST(DeviceKeystream, IsThatOfTheBaseFromAnyCounter) {
  for (const auto& key : {kKey, kHighKey}) {
    const std::array<uint32_t, 3> nonce = {0x80000001, 7, 0xfffffff0};
    for (const int64_t counter : {int64_t{0}, int64_t{0x7ffffff0}, int64_t{0xffffffff} - 99}) {
      const at::Tensor words = chacha20(words_of(key), nonce, counter, 100);
      const auto expected = base_blocks(key, nonce, static_cast<uint32_t>(counter), 100);
      for (size_t block = 0; block < 100; ++block)
        for (size_t i = 0; i < 16; ++i)
          ASSERT_EQ(word(words, int64_t(i), int64_t(block)), base_word(expected, i, block))
              << counter << " " << block << " " << i;
    }
  }
}

TEST(DeviceKeystream, ANonceForEachBlock) {
  const std::vector<uint32_t> nonce_words = {0,          1, 2, 0xffffffff, 0x80000000, 4000000,  //
                                             0,          0, 9, 3,          0x7fffffff, 0,        //
                                             0x12345678, 0, 0, 0,          0,          0xfedcba98};
  for (const int64_t counter : {int64_t{0}, int64_t{0xffffffff}}) {
    const at::Tensor words = chacha20(words_of(kHighKey), words_of(nonce_words).view({3, 6}), counter);
    ASSERT_EQ(words.size(1), 6);
    for (size_t n = 0; n < 6; ++n) {
      const auto expected = base_blocks(kHighKey, {nonce_words[n], nonce_words[6 + n], nonce_words[12 + n]},
                                        static_cast<uint32_t>(counter), 1);
      for (size_t i = 0; i < 16; ++i)
        ASSERT_EQ(word(words, int64_t(i), int64_t(n)), base_word(expected, i, 0)) << n << " " << i;
    }
  }
}

TEST(DeviceKeystream, LeavesItsArgumentsAlone) {
  const at::Tensor key = words_of(kKey), nonces = at::ones({3, 5}, at::kInt);
  const at::Tensor first = chacha20(key, nonces, 3), second = chacha20(key, nonces, 3);
  EXPECT_TRUE(first.equal(second));
  EXPECT_TRUE(key.equal(words_of(kKey)));
  EXPECT_TRUE(nonces.equal(at::ones({3, 5}, at::kInt)));
}

TEST(DeviceKeystream, TheCounterMustNotWrapRound) {
  const std::array<uint32_t, 3> nonce = {};
  const int64_t counters = int64_t{1} << 32;
  EXPECT_EQ(chacha20(words_of(kKey), nonce, counters - 3, 3).size(1), 3);
  EXPECT_EQ(chacha20(words_of(kKey), nonce, 0, 0).size(1), 0);
  EXPECT_THROW(chacha20(words_of(kKey), nonce, counters - 3, 4), Error);
  EXPECT_THROW(chacha20(words_of(kKey), nonce, -1, 4), Error);
  EXPECT_THROW(chacha20(words_of(kKey), nonce, 0, -1), Error);
  EXPECT_THROW(chacha20(words_of(kKey), at::zeros({3, 2}, at::kInt), counters), Error);
  EXPECT_THROW(chacha20(words_of(kKey), at::zeros({2, 2}, at::kInt), 0), Error);
  EXPECT_THROW(chacha20(words_of(kKey).to(at::kLong), nonce, 0, 1), Error);
}

// A tensor without numbers: whoever reads one fails.
TEST(DeviceKeystream, ReadsNothing) {
  const auto meta = at::TensorOptions(at::kInt).device(at::kMeta);
  EXPECT_EQ(chacha20(at::empty({8}, meta), std::array<uint32_t, 3>{}, 0, 1000).sizes(),
            (std::vector<int64_t>{16, 1000}));
  EXPECT_EQ(chacha20(at::empty({8}, meta), at::empty({3, 7}, meta), 0).sizes(),
            (std::vector<int64_t>{16, 7}));
  EXPECT_ANY_THROW(at::empty({8}, meta).sum().item<int64_t>());
}

}  // namespace
}  // namespace discreet::device
