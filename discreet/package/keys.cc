#include "discreet/package/keys.h"

#include <sstream>

#include "discreet/base/file.h"

namespace discreet {
namespace {

std::filesystem::path own_key_path() {
  return user_data_folder() / "signing.key";
}

}  // namespace

SigningKey own_signing_key() {
  return SigningKey::load_or_create(own_key_path());
}

KnownKey find_key(const std::string& public_key) {
  if (std::filesystem::exists(own_key_path()) && own_signing_key().public_key() == public_key) {
    return {true, "your own key"};
  }
  const std::filesystem::path trusted = user_data_folder() / "trusted_keys";
  if (!std::filesystem::exists(trusted)) return {};
  std::istringstream lines(read_file(trusted));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line.substr(0, line.find('#')));
    std::string key, owner;
    if (!(words >> key) || key != public_key) continue;
    std::getline(words >> std::ws, owner);
    return {true, owner.empty() ? "a key in " + trusted.string() : owner};
  }
  return {};
}

}  // namespace discreet
