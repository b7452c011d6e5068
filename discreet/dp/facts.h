// What every set of private facts has: the number of units, how it was obtained, warnings; and its JSON.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "discreet/accounting/relation.h"
#include "discreet/base/json.h"
#include "discreet/data/schema.h"
#include "discreet/dp/noisy_counts.h"

namespace discreet {

// A difference below this many standard deviations of the noise is not told.
inline constexpr double kClearBy = 4;

struct Facts {
  double units = 0;  // >= 1
  Source units_source = Source::kPrivate;
  std::vector<std::string> warnings;  // where the noise is too large to tell; one line each, safe to publish
  double stddev = 0;                  // of each count; 0: nothing had to be estimated

  // {"units", "units_source", "stddev", "warnings"}
  Json facts_json() const;
  // kDataLoss where the JSON is not what facts_json wrote.
  void read_facts(const Json& json);
};

// The number of units has a cell: not declared, and not public as under replace-one and zero-out.
bool counts_units(const std::optional<double>& declared, Relation relation);
uint64_t units_cell();

// kInvalidArgument unless at least 1 and finite, where declared.
void check_units(const std::optional<double>& declared);

// Fills units from what is declared, public or in the noisy cell.
void read_units(const std::optional<double>& declared, Relation relation, int64_t exact, NoisyCounts& counts,
                Facts& facts);

// Class names from noisy values: numbers by value, else by their bytes; never in an order that records
// decide.
std::vector<std::string> ordered_classes(const std::map<std::string, double>& selected);

// kInvalidArgument: what to declare where fewer than two classes were found.
[[noreturn]] void too_few_classes(const std::string& what, size_t found);

}  // namespace discreet
