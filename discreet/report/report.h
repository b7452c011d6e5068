// The report of a package (report.html): what its guarantee means for one person, how the budget was spent,
// how the model was made, and what is not promised, for readers without mathematics first and evaluators
// after.
//
// It is part of the package, so it is a function of public documents alone: the certificate (privacy.json),
// the card (card.json) and the model description (model.json). Accuracy, curves and examples depend on
// private records and belong on the owner's page (owner_page.h).
#pragma once

#include <string>

#include "discreet/base/json.h"
#include "discreet/package/certificate.h"

namespace discreet {

// A whole HTML document. kDataLoss where the certificate's numbers do not follow from its events (a report of
// a guarantee that does not hold must not exist) or card or model are not what this version writes;
// kUnavailable where gnuplot is missing.
std::string report_html(const Certificate& certificate, const Json& card, const Json& model);

}  // namespace discreet
