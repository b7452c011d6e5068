#include "discreet/base/chacha20.h"

#include <gtest/gtest.h>
#include <sodium.h>

#include <array>
#include <string>
#include <vector>

#include "discreet/base/error.h"
#include "discreet/base/vector_testing.h"

namespace discreet {
namespace {

using Key = std::array<uint32_t, 8>;
using Nonce = std::array<uint32_t, 3>;

// The keystream in the RFC's order: block after block, each word little-endian.
std::vector<unsigned char> keystream(const Key& key, const Nonce& nonce, uint32_t counter, size_t groups) {
  std::vector<uint32_t> words(groups * kChaCha20Group);
  chacha20(key, nonce, counter, words);
  std::vector<unsigned char> bytes;
  for (size_t block = 0; block < groups * 16; ++block) {
    for (size_t i = 0; i < 16; ++i) {
      const uint32_t word = words[block / 16 * kChaCha20Group + 16 * i + block % 16];
      for (int shift = 0; shift < 32; shift += 8) bytes.push_back(static_cast<unsigned char>(word >> shift));
    }
  }
  return bytes;
}

std::string first_block(const Key& key, const Nonce& nonce, uint32_t counter) {
  const std::vector<unsigned char> bytes = keystream(key, nonce, counter, 1);
  std::string text;
  for (size_t i = 0; i < 64; ++i) {
    text += "0123456789abcdef"[bytes[i] >> 4];
    text += "0123456789abcdef"[bytes[i] & 15];
  }
  return text;
}

// RFC 8439, section 2.3.2: key 00:01:...:1f, nonce 00:00:00:09:00:00:00:4a:00:00:00:00, block 1.
TEST(ChaCha20, TheRfcsBlock) {
  Key key;
  for (uint32_t i = 0; i < 8; ++i) key[i] = 0x03020100 + 0x04040404 * i;
  const Nonce nonce = {0x09000000, 0x4a000000, 0};
  with_all_vectors([&] {
    EXPECT_EQ(first_block(key, nonce, 1),
              "10f1e7e4d13b5915500fdd1fa32071c4c7d1f4c733c068030422aa9ac3d46c4e"
              "d2826446079faa0914c2d705d98b02a2b5129cd1de164eb9cbd083e8a2503c4e");
  });
}

// RFC 8439, A.1, test vectors 1 to 5: block 0 or 1 or 2 of simple keys.
TEST(ChaCha20, TheRfcsTestVectors) {
  struct Vector {
    Key key;
    Nonce nonce;
    uint32_t counter;
    const char* block;
  };
  const Vector vectors[] = {
      {{},
       {},
       0,
       "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7"
       "da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586"},
      {{},
       {},
       1,
       "9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed"
       "29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f"},
      {{0, 0, 0, 0, 0, 0, 0, 0x01000000},
       {},
       1,
       "3aeb5224ecf849929b9d828db1ced4dd832025e8018b8160b82284f3c949aa5a"
       "8eca00bbb4a73bdad192b5c42f73f2fd4e273644c8b36125a64addeb006c13a0"},
      {{0x0000ff00},
       {},
       2,
       "72d54dfbf12ec44b362692df94137f328fea8da73990265ec1bbbea1ae9af0ca"
       "13b25aa26cb4a648cb9b9d1be65b2c0924a66c54d545ec1b7374f4872e99f096"},
      {{},
       {0, 0, 0x02000000},
       0,
       "c2c64d378cd536374ae204b9ef933fcd1a8b2288b3dfa49672ab765b54ee27c7"
       "8a970e0e955c14f3a88e741b97c286f75f8fc299e8148362fa198a39531bed6d"},
  };
  with_all_vectors([&] {
    for (const Vector& vector : vectors) {
      EXPECT_EQ(first_block(vector.key, vector.nonce, vector.counter), vector.block);
    }
  });
}

TEST(ChaCha20, IsLibsodiumsBlockForBlock) {
  ASSERT_GE(sodium_init(), 0);
  for (uint32_t seed = 0; seed < 20; ++seed) {
    Key key;
    Nonce nonce;
    uint32_t counter;
    randombytes_buf(&key, sizeof key);
    randombytes_buf(&nonce, sizeof nonce);
    randombytes_buf(&counter, sizeof counter);
    const size_t groups = 1 + seed % 5;
    counter &= 0x7FFFFFFF;  // libsodium refuses to wrap round
    std::vector<unsigned char> expected(groups * kChaCha20Group * 4);
    crypto_stream_chacha20_ietf_xor_ic(expected.data(), expected.data(), expected.size(),
                                       reinterpret_cast<const unsigned char*>(nonce.data()), counter,
                                       reinterpret_cast<const unsigned char*>(key.data()));
    with_all_vectors([&] { EXPECT_EQ(keystream(key, nonce, counter, groups), expected); });
  }
}

TEST(ChaCha20, WholeGroupsOnly) {
  std::vector<uint32_t> words(255);
  EXPECT_THROW(chacha20(Key{}, Nonce{}, 0, words), Error);
  chacha20(Key{}, Nonce{}, 0, {});
}

}  // namespace
}  // namespace discreet
