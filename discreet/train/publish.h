// What a run leaves: the package, which may be shown to anyone, and the owner's page beside it, which may
// not.
#pragma once

#include <filesystem>

#include "discreet/model/network.h"
#include "discreet/package/certificate.h"
#include "discreet/report/owner_page.h"
#include "discreet/train/loop.h"
#include "discreet/train/private_data.h"
#include "discreet/train/run_folder.h"
#include "discreet/train/training_plan.h"

namespace discreet {

// Accuracy, curves and examples: from private records, for the owner's eyes.
OwnerFacts owner_facts(const TrainJob& job, const PrivateData& source, const PreparedData& data,
                       const LoopResult& trained, const Guarantee& guarantee);

// Writes the owner's page (mode 0600), then the package at once (kAlreadyExists, kUnavailable,
// kPermissionDenied).
void publish(const TrainJob& job, const PreparedData& data, const TrainingPlan& training, Network& network,
             const Certificate& certificate, const OwnerFacts& owner);

}  // namespace discreet
