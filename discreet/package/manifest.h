// Manifest (manifest.json): the hash of every file of a package, signed. docs/package.md.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "discreet/base/signature.h"

namespace discreet {

struct Manifest {
  static constexpr int kVersion = 1;
  struct File {
    std::string sha256;
    int64_t bytes = 0;
  };
  std::map<std::string, File> files;  // by name; without manifest.json itself
  std::string public_key, signature;  // hexadecimal

  // Hashes and signs.
  static Manifest make(const std::map<std::string, std::string>& files, const SigningKey& key);
  // What the signature is over: the document without its member "signature", members sorted by name at every
  // level, no white space. Names and values are ASCII texts and whole numbers, so this form is unique.
  std::string signed_bytes() const;
  // The text of manifest.json, and back: from_text accepts exactly what to_text writes, so a changed byte
  // anywhere is noticed. kDataLoss otherwise; kUnsupported for a newer version.
  std::string to_text() const;
  static Manifest from_text(const std::string& text);
};

// Letters, digits, '.', '_' and '-', not starting with '.', at most 100 bytes: no folders, no surprises.
bool allowed_file_name(const std::string& name);

}  // namespace discreet
