// An image as a PNG data URI, for pages that carry their pictures.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace discreet {

// 8 bits a channel; channels 1 (grey) or 3 (RGB), rows from the top. Throws kInvalidArgument where the number
// of pixels does not fit the size.
std::string png_bytes(int width, int height, int channels, std::span<const uint8_t> pixels);
std::string base64(std::string_view bytes);  // RFC 4648, with padding
std::string png_data_uri(int width, int height, int channels, std::span<const uint8_t> pixels);

}  // namespace discreet
