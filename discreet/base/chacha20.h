// The ChaCha20 block function (RFC 8439, section 2.3), sixteen blocks at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace discreet {

constexpr size_t kChaCha20Group = 256;  // words of 32 bits: 16 blocks of 16

// Fills `words`, whose size must be a multiple of kChaCha20Group (else kInvalidArgument), with the blocks
// counter, counter + 1, ... of this key (eight words) and nonce (three words). Sixteen blocks lie word by
// word: word i of block b of a group is its word 16 i + b. So vectors of any length store what they computed,
// and the bytes are the same on every processor. The counter wraps round at 2^32, as in the RFC.
void chacha20(std::span<const uint32_t, 8> key, std::span<const uint32_t, 3> nonce, uint32_t counter,
              std::span<uint32_t> words);

}  // namespace discreet
