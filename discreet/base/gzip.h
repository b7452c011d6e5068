// Plain or gzip files (RFC 1952) read whole; which it is, is told by the first two bytes.
#pragma once

#include <filesystem>
#include <string>

namespace discreet {

// The (decompressed) content. kDataLoss where the gzip data is corrupt, truncated or followed by other bytes;
// file errors as read_file. Several gzip members one after another are read as one content.
std::string read_maybe_gzip(const std::filesystem::path& path);

}  // namespace discreet
