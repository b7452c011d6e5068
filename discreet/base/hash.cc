#include "discreet/base/hash.h"

#include <fcntl.h>
#include <sodium.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <vector>

#include "discreet/base/file.h"

namespace discreet {
namespace {

using Digest = std::array<unsigned char, crypto_hash_sha256_BYTES>;

std::string to_hex(const Digest& digest) {
  std::string hex(2 * digest.size() + 1, '\0');
  sodium_bin2hex(hex.data(), hex.size(), digest.data(), digest.size());
  hex.pop_back();
  return hex;
}

}  // namespace

std::string sha256_hex(std::string_view bytes) {
  Digest digest;
  crypto_hash_sha256(digest.data(), reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  return to_hex(digest);
}

std::string sha256_file(const std::filesystem::path& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) throw file_error(errno, "cannot read", path);
  crypto_hash_sha256_state state;
  crypto_hash_sha256_init(&state);
  std::vector<unsigned char> piece(1 << 16);
  for (;;) {
    const ssize_t got = read(file, piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      const int code = errno;
      close(file);
      throw file_error(code, "cannot read", path);
    }
    if (got == 0) break;
    crypto_hash_sha256_update(&state, piece.data(), static_cast<unsigned long long>(got));
  }
  close(file);
  Digest digest;
  crypto_hash_sha256_final(&state, digest.data());
  return to_hex(digest);
}

}  // namespace discreet
