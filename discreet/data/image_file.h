// One PNG or JPEG file to pixels (libpng, libjpeg), told apart by the first bytes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace discreet {

struct Image {
  int64_t height = 0, width = 0, channels = 0;  // channels 1 (gray) or 3 (RGB)
  std::vector<uint8_t> pixels;                  // [height, width, channels]
  std::string size_text() const;                // "28x28 gray", width first
};

bool is_image(std::string_view bytes);  // starts as a PNG or JPEG file does

// 16-bit PNG becomes 8-bit, a palette RGB, transparency is laid over black. `path` is for messages.
// kDataLoss: corrupt or truncated; kUnsupported: sides above kMaxImageSide (before anything is allocated),
// CMYK.
Image decode_image(const std::filesystem::path& path, std::string_view bytes);

}  // namespace discreet
