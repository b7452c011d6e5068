#include "discreet/train/worker.h"

#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>

#include "discreet/base/error.h"
#include "discreet/dp/process_group.h"
#include "discreet/train/few_records.h"
#include "discreet/train/private_data.h"
#include "discreet/train/run_folder.h"
#include "discreet/train/steps.h"

namespace discreet {
namespace {

void end_with(pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent)  // it ended before the line above
    throw Error(ErrorKind::kUnavailable, "the process that started this one has ended");
  std::signal(SIGINT, SIG_IGN);
  std::signal(SIGTERM, SIG_IGN);
}

}  // namespace

void SharedStart::exchange(Processes& processes) {
  const torch::Tensor numbers = torch::tensor(
      {static_cast<double>(attempts), noise_multiplier, static_cast<double>(charged)}, at::kDouble);
  processes.broadcast(numbers, 0);
  attempts = numbers[0].item<int64_t>();
  noise_multiplier = numbers[1].item<double>();
  charged = numbers[2].item<int64_t>();
}

void work(const std::filesystem::path& package, pid_t parent) {
  end_with(parent);
  const std::shared_ptr<Processes> processes = connect_processes(Rendezvous::from_environment());
  const RunFolder folder = RunFolder::look_into(package);
  const TrainJob& job = folder.job();
  const std::unique_ptr<PrivateData> data = open_private_data(job, folder.split_key());
  const double share = statistics_share(job, data->kind());
  const bool statistics = data->set_budget(statistics_budget(job, share)).has_value();
  const std::optional<Json> facts = folder.facts();
  if (!facts)
    throw Error(ErrorKind::kDataLoss,
                folder.path().string() + ": the facts that process 0 stored are not there");
  const PreparedData prepared = data->prepare(*facts);
  SharedStart start;
  start.exchange(*processes);
  TrainingPlan training = make_training_plan(job, prepared, statistics ? share : 0.0, start.attempts);
  training.plan.noise_multiplier = start.noise_multiplier;
  Steps steps(folder, prepared, training, start.charged, {}, processes);
  steps.run([] {});
  steps.not_finite();
}

}  // namespace discreet
