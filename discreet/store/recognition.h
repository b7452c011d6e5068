// Recognition: which data sets of a ledger the records at hand seem to be, before anything is recorded; and
// the owner's word where that is in doubt.
#pragma once

#include <functional>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "discreet/store/sketch.h"
#include "discreet/store/state.h"

namespace discreet {

// What the owner says about a data set, where the sketch alone would decide.
struct Identity {
  std::string same_as;       // id or label of the data set of which this is a changed form; "" if not said
  bool new_dataset = false;  // shares no unit with any data set of the ledger
};

struct Recognition {
  // Shared by at least this share of the smaller one's records, two data sets count as the same.
  static constexpr double kSame = 0.25;

  struct Known {
    std::string id, name;
    double shared = 0;  // similarity of the sketches; private
  };
  // Without a word of the owner these are the data set; where there are several they are merged. Where this
  // very sketch is recorded it is that data set alone, whatever it resembles: that was decided before.
  std::vector<Known> known;
  bool exact = false;  // this very sketch is recorded
  // The owner may know better: a changed form of a known data set, with records that it did not have, or
  // with records of several.
  bool in_doubt = false;
};

Recognition recognise(const LedgerState& state, const SketchKey& key, const DatasetSketch& sketch);

// Asks at a terminal whether the data set is the known one, changed ("same", also at an empty answer or the
// end of the input), or "new". `next_line` gives what is typed, nothing at the end. What is written to `out`
// says roughly how much is shared, so that must be no file and no log.
Identity ask_same_or_new(const Recognition& recognition,
                         const std::function<std::optional<std::string>()>& next_line, std::ostream& out);

}  // namespace discreet
