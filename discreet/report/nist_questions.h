// What an evaluator asks of a differential-privacy claim (in our words, after NIST SP 800-226, "Guidelines
// for Evaluating Differential Privacy Guarantees", March 2025), answered from the certificate; what it does
// not say is shown as missing.
#pragma once

#include "discreet/package/certificate.h"
#include "discreet/report/html.h"

namespace discreet {

// A table of question, answer, and where the answer comes from.
Html nist_table(const Certificate& certificate);

}  // namespace discreet
