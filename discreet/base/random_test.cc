#include "discreet/base/random.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <set>
#include <string>
#include <vector>

namespace discreet {
namespace {

std::string hex(std::span<const std::byte> bytes) {
  std::string text;
  for (const std::byte b : bytes) {
    text += "0123456789abcdef"[static_cast<int>(b) >> 4];
    text += "0123456789abcdef"[static_cast<int>(b) & 15];
  }
  return text;
}

// RFC 8439, A.1: test vectors 1 (block 0) and 2 (block 1) of the zero key and nonce. The first 32 bytes are
// the next key and are not given out.
TEST(RandomStream, IsChaCha20) {
  RandomStream random = RandomStream::for_tests(0);
  std::array<std::byte, 96> bytes;
  random.fill(bytes);
  EXPECT_EQ(hex(bytes),
            "da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586"
            "9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed"
            "29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f");
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
