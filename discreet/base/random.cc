#include "discreet/base/random.h"

#include <pthread.h>
#include <sodium.h>
#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "discreet/base/chacha20.h"

namespace discreet {

std::atomic<uint64_t> RandomStream::forks_{0};

struct RandomStream::State {
  std::array<uint32_t, kKeyBytes / 4> key;
  alignas(64) std::array<uint32_t, kBlockBytes / 4> block;
  ~State() { sodium_memzero(this, sizeof *this); }
};

namespace {

[[noreturn]] void die(const char* why) {
  std::fprintf(stderr, "discreet: no secure randomness: %s\n", why);
  std::abort();
}

std::array<std::byte, RandomStream::kKeyBytes> kernel_key() {
  std::array<std::byte, RandomStream::kKeyBytes> key;
  size_t filled = 0;
  while (filled < key.size()) {
    const ssize_t got = getrandom(key.data() + filled, key.size() - filled, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) die("getrandom failed");
    filled += static_cast<size_t>(got);
  }
  return key;
}

}  // namespace

RandomStream::RandomStream(const std::array<std::byte, kKeyBytes>& key, bool is_private)
    : state_(std::make_unique<State>()), private_(is_private) {
  [[maybe_unused]] static const bool ready = [] {
    if (sodium_init() < 0) die("libsodium cannot start");
    if (pthread_atfork(nullptr, nullptr, [] { forks_.fetch_add(1, std::memory_order_relaxed); }) != 0) {
      die("pthread_atfork failed");
    }
    return true;
  }();
  std::memcpy(state_->key.data(), key.data(), kKeyBytes);
  block_ = reinterpret_cast<const std::byte*>(state_->block.data());
  generation_ = forks_.load(std::memory_order_relaxed);
}

RandomStream RandomStream::from_kernel() {
  auto key = kernel_key();
  RandomStream stream(key, true);
  sodium_memzero(key.data(), key.size());
  return stream;
}

RandomStream RandomStream::for_tests(uint64_t seed) {
  std::array<std::byte, kKeyBytes> key{};
  for (size_t i = 0; i < sizeof seed; ++i) key[i] = static_cast<std::byte>(seed >> (8 * i));
  return RandomStream(key, false);
}

RandomStream::RandomStream(RandomStream&&) noexcept = default;
RandomStream& RandomStream::operator=(RandomStream&&) noexcept = default;
RandomStream::~RandomStream() = default;

void RandomStream::refill() {
  const uint64_t forks = forks_.load(std::memory_order_relaxed);
  if (forks != generation_) {
    if (private_) {
      auto key = kernel_key();
      std::memcpy(state_->key.data(), key.data(), kKeyBytes);
      sodium_memzero(key.data(), key.size());
      position_ = kBlockBytes;
    }
    generation_ = forks;
    if (position_ + sizeof(uint64_t) <= kBlockBytes) return;  // a test stream goes on as it was
  }
  static constexpr std::array<uint32_t, 3> kNonce = {};
  chacha20(state_->key, kNonce, 0, state_->block);
  std::copy_n(state_->block.begin(), state_->key.size(), state_->key.begin());
  sodium_memzero(state_->block.data(), kKeyBytes);
  position_ = kKeyBytes;
}

void RandomStream::fill(std::span<std::byte> bytes) {
  while (!bytes.empty()) {
    if (position_ >= kBlockBytes || generation_ != forks_.load(std::memory_order_relaxed)) refill();
    const size_t count = std::min(bytes.size(), kBlockBytes - position_);
    std::copy_n(block_ + position_, count, bytes.begin());
    position_ += count;
    bytes = bytes.subspan(count);
  }
}

RandomStream RandomStream::split() {
  std::array<std::byte, kKeyBytes> key;
  fill(key);
  RandomStream child(key, private_);
  sodium_memzero(key.data(), key.size());
  return child;
}

}  // namespace discreet
