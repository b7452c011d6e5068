#include "discreet/base/random.h"

#include <gtest/gtest.h>
#include <sodium.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <set>
#include <vector>

namespace discreet {
namespace {

// The stream of the zero key, from libsodium: groups of 16 blocks, word by word (chacha20.h). The first 32
// bytes of 4 KiB are the next key and are not given out.
TEST(RandomStream, IsChaCha20WithFastKeyErasure) {
  RandomStream random = RandomStream::for_tests(0);
  std::array<unsigned char, 32> key{};
  static constexpr unsigned char kNonce[12] = {};
  for (int refill = 0; refill < 3; ++refill) {
    std::array<uint32_t, 1024> blocks, expected;
    crypto_stream_chacha20_ietf(reinterpret_cast<unsigned char*>(blocks.data()), sizeof blocks, kNonce,
                                key.data());
    for (size_t word = 0; word < 1024; ++word) {
      const size_t block = word / 256 * 16 + word % 16, within = word / 16 % 16;
      expected[word] = blocks[16 * block + within];
    }
    std::memcpy(key.data(), expected.data(), key.size());
    std::array<uint32_t, 1016> given;
    random.fill(std::as_writable_bytes(std::span(given)));
    EXPECT_TRUE(std::equal(given.begin(), given.end(), expected.begin() + 8)) << refill;
  }
}

TEST(RandomStream, FillAndNextAreTheSameStream) {
  RandomStream a = RandomStream::for_tests(7), b = RandomStream::for_tests(7);
  std::vector<uint64_t> words(3000);
  a.fill(std::as_writable_bytes(std::span(words)));
  for (const uint64_t word : words) ASSERT_EQ(word, b.next());
}

TEST(RandomStream, NoWordRepeatsAcrossBlocks) {
  RandomStream random = RandomStream::for_tests(1);
  std::set<uint64_t> seen;
  for (int i = 0; i < 100000; ++i) ASSERT_TRUE(seen.insert(random.next()).second);  // by chance: 3e-10
}

TEST(RandomStream, StreamsOfTheKernelAndChildrenDiffer) {
  RandomStream a = RandomStream::from_kernel(), b = RandomStream::from_kernel();
  RandomStream child = a.split(), sibling = a.split();
  const std::set<uint64_t> first = {a.next(), b.next(), child.next(), sibling.next()};
  EXPECT_EQ(first.size(), 4u);
}

// By chance once in 2^64. Nothing else is drawn from either, so a key that both have would show.
TEST(RandomStream, EachStreamOfTheKernelHasAKeyOfItsOwn) {
  RandomStream a = RandomStream::from_kernel(), b = RandomStream::from_kernel();
  EXPECT_NE(a.next(), b.next());
}

TEST(RandomStream, OnlyTheKernelsStreamsArePrivate) {
  EXPECT_TRUE(RandomStream::from_kernel().is_private());
  EXPECT_TRUE(RandomStream::from_kernel().split().is_private());
  EXPECT_FALSE(RandomStream::for_tests(1).is_private());
  EXPECT_FALSE(RandomStream::for_tests(1).split().is_private());
}

// Words that parent and child draw after a fork in the middle of a block.
std::pair<uint64_t, uint64_t> draw_after_fork(RandomStream random, bool by_fill) {
  random.next();
  const auto draw = [&] {
    uint64_t word = 0;
    if (!by_fill) return random.next();
    random.fill(std::as_writable_bytes(std::span(&word, 1)));
    return word;
  };
  int pipe_ends[2];
  if (pipe(pipe_ends) != 0) ADD_FAILURE();
  const pid_t child = fork();
  if (child == 0) {
    const uint64_t word = draw();
    _exit(write(pipe_ends[1], &word, sizeof word) == sizeof word ? 0 : 1);
  }
  uint64_t theirs = 0;
  EXPECT_EQ(read(pipe_ends[0], &theirs, sizeof theirs), static_cast<ssize_t>(sizeof theirs));
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  close(pipe_ends[0]);
  close(pipe_ends[1]);
  return {draw(), theirs};
}

TEST(RandomStream, AForkedChildDoesNotRepeatItsParent) {
  for (const bool by_fill : {false, true}) {
    const auto [ours, theirs] = draw_after_fork(RandomStream::from_kernel(), by_fill);
    EXPECT_NE(ours, theirs);
  }
}

TEST(RandomStream, ATestStreamGoesOnInTheChild) {
  for (const bool by_fill : {false, true}) {
    const auto [ours, theirs] = draw_after_fork(RandomStream::for_tests(3), by_fill);
    EXPECT_EQ(ours, theirs);
  }
}

}  // namespace
}  // namespace discreet
