#include "discreet/base/signature.h"

#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "discreet/base/file.h"

namespace discreet {
namespace fs = std::filesystem;
namespace {

using Seed = std::array<unsigned char, crypto_sign_SEEDBYTES>;

std::string to_hex(const unsigned char* bytes, size_t count) {
  std::string hex(2 * count + 1, '\0');
  sodium_bin2hex(hex.data(), hex.size(), bytes, count);
  hex.pop_back();
  return hex;
}

// True if `hex` is exactly 2 * count lower-case hexadecimal digits (one spelling for one value).
bool from_hex(std::string_view hex, unsigned char* bytes, size_t count) {
  size_t length = 0;
  return hex.size() == 2 * count && hex.find_first_not_of("0123456789abcdef") == std::string_view::npos &&
         sodium_hex2bin(bytes, count, hex.data(), hex.size(), nullptr, &length, nullptr) == 0 &&
         length == count;
}

void create(const fs::path& path) {
  if (path.has_parent_path()) {
    std::error_code failure;
    fs::create_directories(path.parent_path(), failure);
    if (failure) throw file_error(failure.value(), "cannot make the folder", path.parent_path());
  }
  Seed seed;
  randombytes_buf(seed.data(), seed.size());
  // Written whole under another name, then linked: link(2) refuses to replace a key that another process
  // made in between.
  const fs::path temporary = path.string() + ".new-" + std::to_string(::getpid());
  write_file(temporary, to_hex(seed.data(), seed.size()) + "\n", 0600);
  sodium_memzero(seed.data(), seed.size());
  const int code = ::link(temporary.c_str(), path.c_str()) == 0 ? 0 : errno;
  ::unlink(temporary.c_str());
  if (code != 0 && code != EEXIST) throw file_error(code, "cannot write the key", path);
  sync_folder(path.has_parent_path() ? path.parent_path() : fs::path("."));
}

}  // namespace

SigningKey SigningKey::load_or_create(const fs::path& path) {
  if (sodium_init() < 0) throw Error(ErrorKind::kUnavailable, "libsodium cannot start");
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    if (errno != ENOENT) throw file_error(errno, "cannot read the key", path);
    create(path);
    if (::stat(path.c_str(), &status) != 0) throw file_error(errno, "cannot read the key", path);
  }
  if ((status.st_mode & 0077) != 0) {
    throw Error(
        ErrorKind::kPermissionDenied,
        "the key " + path.string() + " can be read by others: run chmod 600 on it, or make a new one");
  }
  std::string content = read_file(path);
  if (!content.empty() && content.back() == '\n') content.pop_back();
  Seed seed;
  if (!from_hex(content, seed.data(), seed.size())) {
    throw Error(ErrorKind::kDataLoss,
                "the key " + path.string() + " is damaged: it must be 64 hexadecimal digits");
  }
  SigningKey key;
  std::array<unsigned char, crypto_sign_PUBLICKEYBYTES> public_key;
  crypto_sign_seed_keypair(public_key.data(), key.secret_.data(), seed.data());
  sodium_memzero(seed.data(), seed.size());
  sodium_memzero(content.data(), content.size());
  return key;
}

SigningKey::SigningKey(SigningKey&& other) noexcept : secret_(other.secret_) {
  sodium_memzero(other.secret_.data(), other.secret_.size());
}

SigningKey& SigningKey::operator=(SigningKey&& other) noexcept {
  if (this != &other) {
    secret_ = other.secret_;
    sodium_memzero(other.secret_.data(), other.secret_.size());
  }
  return *this;
}

SigningKey::~SigningKey() {
  sodium_memzero(secret_.data(), secret_.size());
}

std::string SigningKey::public_key() const {
  std::array<unsigned char, crypto_sign_PUBLICKEYBYTES> key;
  crypto_sign_ed25519_sk_to_pk(key.data(), secret_.data());
  return to_hex(key.data(), key.size());
}

std::string SigningKey::sign(std::string_view bytes) const {
  std::array<unsigned char, crypto_sign_BYTES> signature;
  crypto_sign_detached(signature.data(), nullptr, reinterpret_cast<const unsigned char*>(bytes.data()),
                       bytes.size(), secret_.data());
  return to_hex(signature.data(), signature.size());
}

bool verify_signature(std::string_view public_key, std::string_view bytes, std::string_view signature) {
  std::array<unsigned char, crypto_sign_PUBLICKEYBYTES> key;
  std::array<unsigned char, crypto_sign_BYTES> raw;
  return from_hex(public_key, key.data(), key.size()) && from_hex(signature, raw.data(), raw.size()) &&
         crypto_sign_verify_detached(raw.data(), reinterpret_cast<const unsigned char*>(bytes.data()),
                                     bytes.size(), key.data()) == 0;
}

}  // namespace discreet
