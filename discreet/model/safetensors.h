// The safetensors format (Hugging Face, https://github.com/huggingface/safetensors, "Format";
// docs/weights.md):
//   8 bytes    N, little-endian: the length of the header
//   N bytes    JSON: name -> {"dtype", "shape", "data_offsets": [begin, end)}, padded with spaces to a
//   multiple of 8 the rest   the tensors' values, little-endian, row by row, without gaps
// The same tensors in the same order always give the same bytes.
#pragma once

#include <torch/torch.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace discreet {

using NamedTensors = std::vector<std::pair<std::string, torch::Tensor>>;

// Kinds of numbers: F64, F32, F16, I64, I32, U8. kInvalidArgument for others and for a name that comes twice.
std::string save_safetensors(const NamedTensors& tensors);

// In the order of the data. Each tensor has its own copy of the bytes. kDataLoss, in one line that says what
// is wrong, for anything that is not exactly the format: lengths, names, overlaps, gaps.
NamedTensors load_safetensors(std::string_view bytes);

}  // namespace discreet
