// SHA-256 (FIPS 180-4, libsodium), as 64 lower-case hexadecimal digits.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace discreet {

std::string sha256_hex(std::string_view bytes);

// Of a file's content, read in pieces. kNotFound, kPermissionDenied or kUnavailable where it cannot be read.
std::string sha256_file(const std::filesystem::path& path);

}  // namespace discreet
