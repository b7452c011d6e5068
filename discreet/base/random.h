// The source of all randomness: a ChaCha20 keystream (chacha20.h) under a key drawn from the kernel.
//
// Threat model: an observer who sees any number of released values learns nothing about other outputs
// (ChaCha20 as a pseudo-random function). A child process never repeats its parent's stream: after fork(2)
// every stream that came from the kernel draws a fresh key in the child. Whoever reads the memory later
// learns nothing about blocks before the present one; memory is wiped when a stream ends.
// A stream belongs to one thread at a time.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>

namespace discreet {

class RandomStream {
 public:
  // Keyed by getrandom(2). If the kernel gives no key the process ends: there is no weaker source.
  static RandomStream from_kernel();

  // Keyed by `seed`: the same numbers every time. Not private; a result made with it must say so.
  static RandomStream for_tests(uint64_t seed);

  RandomStream(RandomStream&&) noexcept;
  RandomStream& operator=(RandomStream&&) noexcept;
  ~RandomStream();

  // 64 uniform bits.
  uint64_t next() {
    if (position_ + sizeof(uint64_t) > kBlockBytes || generation_ != forks_.load(std::memory_order_relaxed))
      refill();
    uint64_t word;
    std::memcpy(&word, block_ + position_, sizeof word);
    position_ += sizeof word;
    return word;
  }

  // Uniform bytes.
  void fill(std::span<std::byte> bytes);

  // An independent stream, keyed by 32 bytes of this one. The child of a test stream is a test stream.
  RandomStream split();

  // False for a stream made by for_tests, and for every stream split from it.
  bool is_private() const { return private_; }

  static constexpr size_t kKeyBytes = 32;
  // 4 KiB of keystream at a time; the first 32 bytes of each block become the next key and are never
  // given out ("fast key erasure", Bernstein 2017), so earlier blocks cannot be computed from the state.
  static constexpr size_t kBlockBytes = 4096;

 private:
  RandomStream(const std::array<std::byte, kKeyBytes>& key, bool is_private);
  void refill();

  static std::atomic<uint64_t> forks_;  // one more in each child process

  struct State;  // key and block, in memory that is wiped when freed
  std::unique_ptr<State> state_;
  const std::byte* block_ = nullptr;
  size_t position_ = kBlockBytes;
  uint64_t generation_ = 0;
  bool private_ = false;
};

}  // namespace discreet
