// Ed25519 signatures (RFC 8032, libsodium). Keys and signatures travel as lower-case hexadecimal.
//
// What a signature proves: the bytes were signed by whoever holds the key. Whose key that is, is outside.
#pragma once

#include <array>
#include <filesystem>
#include <string>
#include <string_view>

namespace discreet {

class SigningKey {
 public:
  // Reads the key from `path`, or makes one there (file mode 0600, written atomically; two processes that
  // start together end up with one key). kPermissionDenied if others may read the file, kDataLoss if its
  // content is not a key.
  static SigningKey load_or_create(const std::filesystem::path& path);

  SigningKey(SigningKey&&) noexcept;
  SigningKey& operator=(SigningKey&&) noexcept;
  ~SigningKey();  // wipes the secret

  std::string public_key() const;                  // 64 digits
  std::string sign(std::string_view bytes) const;  // 128 digits

 private:
  SigningKey() = default;
  std::array<unsigned char, 64> secret_{};
};

// False for a wrong signature and for a key or signature that is not well-formed.
bool verify_signature(std::string_view public_key, std::string_view bytes, std::string_view signature);

}  // namespace discreet
