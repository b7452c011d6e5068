#include "discreet/store/entry.h"

#include "discreet/base/hash.h"

namespace discreet {

std::string chain_hash(const Entry& entry, std::string_view previous) {
  // One field a line, the body last: only the body may hold line breaks, so no two entries read the same.
  std::string bytes(previous);
  for (const std::string& field :
       {std::to_string(entry.number), entry.time, entry.kind, entry.subject, std::to_string(entry.amount)}) {
    bytes += '\n';
    bytes += field;
  }
  bytes += '\n';
  bytes += entry.body;
  return sha256_hex(bytes);
}

}  // namespace discreet
