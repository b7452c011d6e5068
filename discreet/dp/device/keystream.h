// The ChaCha20 keystream (RFC 8439, section 2.3) as a tensor, computed on whatever device the key lies on.
//
// The words are those of base/chacha20.h, bit for bit. All is integer arithmetic of 32 bits, in tensor
// operations; nothing is read back to the host.
#pragma once

#include <ATen/ATen.h>

#include <array>
#include <cstdint>

namespace discreet::device {

// key: int32 [8]. -> int32 [16, blocks]: word i of block counter + b at [i][b]. The counter has 32 bits and
// must not wrap round within a call: 0 <= counter, 0 <= blocks, counter + blocks <= 2^32, else
// kInvalidArgument.
at::Tensor chacha20(const at::Tensor& key, const std::array<uint32_t, 3>& nonce, int64_t counter,
                    int64_t blocks);

// One block for each nonce. nonces: int32 [3, n], on the key's device; counter in [0, 2^32). -> [16, n].
at::Tensor chacha20(const at::Tensor& key, const at::Tensor& nonces, int64_t counter);

}  // namespace discreet::device
