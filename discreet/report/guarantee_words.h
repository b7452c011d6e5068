// The guarantee of a certificate in plain words, with the drawing that goes with it.
#pragma once

#include <string>

#include "discreet/package/certificate.h"
#include "discreet/report/html.h"

namespace discreet {

std::string unit_words(const Guarantee& guarantee);         // "one row", "one person’s rows"
std::string unit_sentence(const Guarantee& guarantee);      // what counts as one unit, in full
std::string relation_words(const Guarantee& guarantee);     // "add or remove", "replace", "empty"
std::string relation_sentence(const Guarantee& guarantee);  // which two worlds are compared

// "strong" up to epsilon 1, "reasonable" up to 10, "weak" above: Ponomareva and others, "How to DP-fy ML",
// Journal of Artificial Intelligence Research 77 (2023).
std::string strength(const Guarantee& guarantee);

Html meaning_for_one(const Guarantee& guarantee);  // what an observer can at most learn
Html not_promised(const Guarantee& guarantee);     // what the guarantee leaves open

}  // namespace discreet
