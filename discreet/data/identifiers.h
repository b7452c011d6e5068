// Columns that look like names or identifiers of people, by their name and by what their cells look like.
//
// Looks at exact records: for the owner's eyes (inspect, warnings before training), never for anything
// released.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "discreet/data/table.h"

namespace discreet {

struct Identifier {
  std::string column;
  std::string reason;    // "its name", "e-mail addresses", "telephone numbers", "UUIDs", "a different text in
                         // (almost) every row", "a different whole number in every row"
  bool repeats = false;  // some value stands in several rows: these rows may belong to one person
};

// In the table's order.
std::vector<Identifier> find_identifiers(const Table& table);

}  // namespace discreet
