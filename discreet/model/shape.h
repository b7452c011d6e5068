// The shape of one record at one place of a network: [channels, height, width] or [features].
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace discreet {

using Shape = std::vector<int64_t>;

inline int64_t elements(const Shape& shape) {
  int64_t product = 1;
  for (int64_t side : shape) product *= side;
  return product;
}

inline std::string to_string(const Shape& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  return text + "]";
}

}  // namespace discreet
