// Steps of ours, private, or plain ones of the same model: one case, so that the memory is its own. run.py
// lets this and the rivals take turns.
//
// usage: step_bench TASK.json MODEL private|plain|plain-equal|parts STEPS|turns [THREADS]
//
// A private step: Poisson draw, forward, per-sample clipping, noise, SGD. A plain one: Poisson draw, forward,
// backward, SGD; "plain-equal": a random batch of the expected size. With "turns" it prints, after steps that
// warm up, a line of JSON (how many numbers are trained, the MiB that the process had before the model was
// made); then each number on standard input asks for so many steps and is answered with the seconds that they
// took. With STEPS it prints a line of JSON: the median seconds of so many, by the clock and of processors.
// "parts" prints where a private step's time goes, on the processor. STEP_DEVICE, "cuda" for instance, is
// where the model is; a step is over when the device has done it.
#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "bench/step/case.h"
#include "discreet/dp/privacy_engine.h"

namespace {

using namespace step_bench;
using torch::Tensor;
using Json = nlohmann::json;

constexpr int kWarmUp = 3;
constexpr int kEndless = 1 << 30;  // draws

// By the clock, and of processors: what a busy machine does not falsify.
struct Times {
  std::vector<double> wall, cpu;
  double wall_start = 0, cpu_start = 0;
  void start() {
    wall_start = seconds(CLOCK_MONOTONIC);
    cpu_start = seconds(CLOCK_PROCESS_CPUTIME_ID);
  }
  void stop() {
    if (device().is_cuda()) torch::cuda::synchronize();
    wall.push_back(seconds(CLOCK_MONOTONIC) - wall_start);
    cpu.push_back(seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu_start);
  }
};

std::vector<Tensor> trained(const Model& model) {
  std::vector<Tensor> result;
  for (const Tensor& parameter : model.parameters())
    if (parameter.requires_grad()) result.push_back(parameter);
  return result;
}

// How many steps to take, after those that warm up: so many, or what standard input asks for.
class Pace {
 public:
  // hello: what is said, in turns, when it is warm.
  Pace(std::optional<int> steps, Json hello)
      : in_turns_(!steps), hello_(std::move(hello)), left_(kWarmUp + steps.value_or(0)) {}

  // After a step.
  bool goes_on(const Times& times) {
    if (--left_ > 0 || !in_turns_) return left_ > 0;
    if (asked_ == 0) {
      std::cout << hello_ << std::endl;
    } else {
      std::cout << std::accumulate(times.wall.end() - asked_, times.wall.end(), 0.0) << std::endl;
    }
    if (!(std::cin >> asked_) || asked_ < 1) return false;
    left_ = asked_;
    return true;
  }

 private:
  const bool in_turns_;
  const Json hello_;
  int asked_ = 0, left_;
};

Times private_steps(Case& c, Pace pace) {
  torch::optim::SGD optimizer(trained(*c.model), c.learning_rate);
  discreet::PrivacyEngine engine(c.model, {.batch_size = c.batch,
                                           .sample_size = static_cast<double>(c.data.size()),
                                           .noise_multiplier = c.noise,
                                           .max_grad_norm = c.clip,
                                           .loss_reduction = discreet::Reduction::kMean});
  engine.attach(optimizer);
  Times times;
  times.start();  // a step begins with its draw, which the iterator makes
  for (const auto& batch : engine.loader(c.data, kEndless)) {
    optimizer.zero_grad();
    loss_of(engine.watch(c.model, batch.data.to(device())), batch.target.to(device())).backward();
    optimizer.step();
    times.stop();
    if (!pace.goes_on(times)) break;
    times.start();
  }
  return times;
}

Times plain_steps(Case& c, Pace pace, bool equal) {
  torch::optim::SGD optimizer(trained(*c.model), c.learning_rate);
  Times times;
  do {
    times.start();
    const int64_t all = c.data.size();
    const Tensor rows = equal ? torch::randint(0, all, {c.batch}, torch::kLong)
                              : torch::rand({all}).mul_(all).lt_(c.batch).nonzero().squeeze(1);
    const Tensor x = c.data.features(rows), y = c.data.targets().index_select(0, rows);
    optimizer.zero_grad();
    loss_of(c.model->forward(x.to(device())), y.to(device())).backward();
    optimizer.step();
    times.stop();
  } while (pace.goes_on(times));
  return times;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

int run(const std::string& path, const std::string& name, const std::string& mode, std::optional<int> steps) {
  const Json tasks = Json::parse(std::ifstream(path));
  for (const Json& task : tasks.at("models")) {
    if (task.at("name") != name) continue;
    torch::manual_seed(1);
    const auto batch = task.at("batch").get<int64_t>();
    Case c{tasks.at("max_grad_norm"),
           tasks.at("noise_multiplier"),
           tasks.at("learning_rate"),
           batch,
           nullptr,
           Records(task, batch * tasks.at("batches_of_data").get<int64_t>())};
    const double before = memory("VmRSS");
    c.model = make_model(task);
    c.model->to(device());
    if (mode == "parts") {
      print_parts(c, steps.value_or(1));
      return 0;
    }
    int64_t numbers = 0;
    for (const Tensor& parameter : trained(*c.model)) numbers += parameter.numel();
    const auto of_model = operations(c.model->forward(c.data.features(torch::arange(2)).to(device())));
    const Pace pace(steps, {{"trained", numbers}, {"before_mib", before}, {"operations", of_model}});
    Times times = mode == "private" ? private_steps(c, pace) : plain_steps(c, pace, mode == "plain-equal");
    if (!steps) return 0;
    for (auto* all : {&times.wall, &times.cpu}) all->erase(all->begin(), all->begin() + kWarmUp);
    std::cout << Json{{"median", median(times.wall)}, {"cpu", median(times.cpu)}} << std::endl;
    return 0;
  }
  std::fprintf(stderr, "step_bench: no model '%s' in %s\n", name.c_str(), path.c_str());
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string mode = argc > 3 ? argv[3] : "";
  const bool in_turns = argc > 4 && std::string(argv[4]) == "turns";
  if (argc < 5 || (mode != "private" && mode != "plain" && mode != "plain-equal" && mode != "parts") ||
      (!in_turns && std::atoi(argv[4]) < 1)) {
    std::fprintf(stderr,
                 "usage: step_bench TASK.json MODEL private|plain|plain-equal|parts STEPS|turns [THREADS]\n");
    return 2;
  }
  if (argc > 5) at::set_num_threads(std::atoi(argv[5]));
  try {
    return run(argv[1], argv[2], mode, in_turns ? std::nullopt : std::optional<int>(std::atoi(argv[4])));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "step_bench: %s\n", error.what());
    return 1;
  }
}
