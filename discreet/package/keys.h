// Whose key signed a package. A signature proves that nothing changed since it was made; that it was made by
// somebody in particular follows only if their key is known here beforehand.
#pragma once

#include <filesystem>
#include <string>

#include "discreet/base/signature.h"

namespace discreet {

// The user's own key, made on first use: signing.key in user_data_folder().
SigningKey own_signing_key();

struct KnownKey {
  bool known = false;
  std::string owner;  // "your own key", or the words in trusted_keys; "" if unknown
};

// Looks among the user's own key and the lines "KEY WORDS..." of trusted_keys in user_data_folder() ('#'
// starts a comment). Makes nothing.
KnownKey find_key(const std::string& public_key);

}  // namespace discreet
