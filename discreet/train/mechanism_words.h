// How a run samples, clips and noises, in words: the certificate's `mechanism`, from the options that its
// engine had.
#pragma once

#include "discreet/train/certify.h"

namespace discreet {

Mechanism mechanism_of(const CertifiedRun& run);

}  // namespace discreet
