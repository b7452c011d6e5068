#include "discreet/store/entry.h"

#include "discreet/base/hash.h"

namespace discreet {

std::string chain_hash(const Entry& entry, std::string_view previous) {
  // One field a line, the body last: only the body may hold line breaks, so no two entries read the same.
  std::string bytes(previous);
  bytes.append("\n").append(std::to_string(entry.number));
  bytes.append("\n").append(entry.time);
  bytes.append("\n").append(entry.kind);
  bytes.append("\n").append(entry.subject);
  bytes.append("\n").append(std::to_string(entry.amount));
  bytes.append("\n").append(entry.body);
  return sha256_hex(bytes);
}

}  // namespace discreet
