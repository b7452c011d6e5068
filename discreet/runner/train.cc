// discreet train: the main job, and what a person reads when it is done.
#include "discreet/train/train.h"

#include <iostream>

#include "discreet/base/text.h"
#include "discreet/runner/command.h"
#include "discreet/train/few_records.h"

namespace discreet {
namespace {

void print_result(const TrainResult& result) {
  const std::string package = result.package.string();
  std::cout << "\n"
            << (result.is_private ? "Trained" : "NOT PRIVATE (made with a test seed)") << ": epsilon "
            << format_number(result.epsilon) << " at delta " << format_number(result.delta) << ", "
            << result.relation << ", unit: " << result.unit << "\n\n"
            << "  package       " << package << "\n"
            << "  report        " << (result.package / "report.html").string()
            << "   (can be shown to anyone)\n"
            << "  owner's page  " << result.owner_page.string()
            << "   (accuracy and examples: only for you)\n\n"
            << "Next:\n"
            << "  discreet verify " << package << "\n"
            << "  discreet predict " << package << " NEW-DATA --out predictions.csv\n"
            << "  discreet budget\n";
}

}  // namespace

int run_train(const std::vector<std::string>& arguments) {
  const TrainJob job = parse_train_job(arguments);
  if (job.dry_run) {
    const Plan plan = plan_of(job);
    if (const auto warning = too_few_records(job)) std::cerr << "warning: " << *warning << "\n";
    if (job.json) {
      std::cout << plan.to_json().dump(2) << "\n";
    } else {
      print_plan(job, plan, std::cout);
    }
    return 0;
  }
  const TrainResult result = train(job);
  if (job.json) {
    std::cout << result.to_json().dump(2) << "\n";
  } else {
    print_result(result);
  }
  return 0;
}

}  // namespace discreet
