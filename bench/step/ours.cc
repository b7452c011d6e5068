// Seconds of a private training step of ours, or of a plain one of the same model, and the memory it takes:
// one case, so that the memory is its own. run.py runs this beside the rivals.
//
// usage: step_bench TASK.json MODEL private|plain|plain-drawn|parts STEPS [THREADS]
//
// A private step: Poisson draw, forward, per-sample clipping, noise, SGD. A plain one: a batch of the same
// (expected) size, forward, backward, SGD; "plain-drawn": a Poisson draw, whose sizes differ from step to
// step as a private step's do, which memory feels. Prints one line of JSON: quartiles over STEPS steps after
// three that do not count, the median seconds of processors, peak memory of the process, and how far that is
// above what it had before the model was made. "parts" prints instead the milliseconds of processors that
// each part of a private step takes, by clip rule.
#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <iostream>
#include <map>
#include <string>
#include <vector>

#include "bench/step/models.h"
#include "discreet/dp/clip.h"
#include "discreet/dp/graph.h"
#include "discreet/dp/noise.h"
#include "discreet/dp/privacy_engine.h"

namespace {

using step_bench::Model;
using torch::Tensor;
using Json = nlohmann::json;

constexpr int kWarmUp = 3;
constexpr int kEndless = 1 << 30;  // draws

double seconds(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// By the clock, and of processors: what a busy machine does not falsify.
struct Times {
  std::vector<double> wall, cpu;
  double wall_start = 0, cpu_start = 0;
  void start() {
    wall_start = seconds(CLOCK_MONOTONIC);
    cpu_start = seconds(CLOCK_PROCESS_CPUTIME_ID);
  }
  void stop() {
    wall.push_back(seconds(CLOCK_MONOTONIC) - wall_start);
    cpu.push_back(seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu_start);
  }
};

// A line of /proc/self/status, in MiB.
double memory(const std::string& name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.rfind(name + ":", 0) == 0) return std::stod(line.substr(name.size() + 1)) / 1024;
  return 0;
}

class Records : public discreet::Dataset {
 public:
  explicit Records(const Json& task, int64_t rows) : x_(step_bench::make_input(task, rows)) {
    targets_ = torch::randint(0, task.at("classes").get<int64_t>(), {rows}, torch::kLong);
  }
  int64_t size() const override { return x_.size(0); }
  Tensor features(Tensor rows) const override { return x_.index_select(0, rows); }

 private:
  Tensor x_;
};

struct Case {
  Json task;
  double clip, noise, learning_rate;
  int64_t batch;
  std::shared_ptr<Model> model;
  Records data;
};

Tensor loss_of(const Tensor& out, const Tensor& y) {
  return torch::cross_entropy_loss(out, y);
}

std::vector<Tensor> trained(const Model& model) {
  std::vector<Tensor> result;
  for (const Tensor& parameter : model.parameters())
    if (parameter.requires_grad()) result.push_back(parameter);
  return result;
}

// How many steps to take, after those that warm up: so many, or as many as standard input asks for, by
// numbers; each of these is answered with the seconds that so many steps took.
class Pace {
 public:
  explicit Pace(std::optional<int> steps) : in_turns_(!steps), left_(kWarmUp + steps.value_or(0)) {}

  // After a step.
  bool goes_on(const Times& times) {
    if (--left_ > 0 || !in_turns_) return left_ > 0;
    if (asked_ > 0)
      std::cout << std::accumulate(times.wall.end() - asked_, times.wall.end(), 0.0) << std::endl;
    if (!(std::cin >> asked_) || asked_ < 1) return false;
    left_ = asked_;
    return true;
  }

 private:
  const bool in_turns_;
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
    loss_of(engine.watch(c.model, batch.data), batch.target).backward();
    optimizer.step();
    times.stop();
    if (!pace.goes_on(times)) break;
    times.start();
  }
  return times;
}

Times plain_steps(Case& c, Pace pace, bool drawn) {
  torch::optim::SGD optimizer(trained(*c.model), c.learning_rate);
  Times times;
  do {
    times.start();
    const int64_t all = c.data.size();
    const Tensor rows = drawn ? torch::rand({all}).mul_(all).lt_(c.batch).nonzero().squeeze(1)
                              : torch::randint(0, all, {c.batch}, torch::kLong);
    const Tensor x = c.data.features(rows), y = c.data.targets().index_select(0, rows);
    optimizer.zero_grad();
    loss_of(c.model->forward(x), y).backward();
    optimizer.step();
    times.stop();
  } while (pace.goes_on(times));
  return times;
}

// What PrivacyEngine does in a step, taken apart; where one way to see a parameter is enough.
void print_parts(Case& c, int steps) {
  std::vector<discreet::TrainedParameter> parameters;
  for (const auto& parameter : c.model->named_parameters())
    if (parameter.value().requires_grad()) parameters.push_back({parameter.key(), parameter.value()});
  std::map<std::string, std::pair<double, double>> total;  // of processors, and by the clock
  std::vector<Tensor> blocks;
  for (const auto& parameter : parameters) blocks.push_back(torch::empty(parameter.tensor.sizes()));
  discreet::RandomStream random = discreet::RandomStream::for_tests(1);
  for (int step = 0; step < kWarmUp + steps; ++step) {
    if (step == kWarmUp) total.clear();
    std::pair<double, double> start;
    const auto now = [] { return std::pair(seconds(CLOCK_PROCESS_CPUTIME_ID), seconds(CLOCK_MONOTONIC)); };
    const auto part = [&](const std::string& name) {
      const auto end = now();
      total[name].first += end.first - start.first;
      total[name].second += end.second - start.second;
      start = end;
    };
    const Tensor rows = torch::randint(0, c.data.size(), {c.batch}, torch::kLong);
    const Tensor x = c.data.features(rows), y = c.data.targets().index_select(0, rows);
    start = now();
    const Tensor out = c.model->forward(x);
    part("1 forward");
    const Tensor cut = out.detach().requires_grad_();
    loss_of(cut, y).backward();
    torch::NoGradGuard no_grad;
    part("2 loss");
    const std::vector<discreet::UseNode> nodes = discreet::find_uses(out, parameters);
    part("3 search of the graph");
    std::vector<std::pair<std::string, std::unique_ptr<discreet::Gradients>>> parts;
    std::vector<const discreet::ParameterUse*> uses;
    std::vector<discreet::libtorch::Edge> roots{discreet::libtorch::Edge(out.grad_fn(), out.output_nr())};
    std::vector<Tensor> flowing{cut.grad() * static_cast<double>(c.batch)};
    for (size_t first = 0; first < nodes.size();) {
      // As far as a node that passes its gradient on itself.
      size_t last = first;
      while (last + 1 < nodes.size() && !nodes[last].rule->outputs) ++last;
      std::vector<discreet::libtorch::Edge> edges;
      for (size_t i = first; i <= last; ++i)
        for (uint32_t k = 0; k < (nodes[i].rule->outputs ? nodes[i].node->num_inputs() : 1); ++k)
          edges.emplace_back(nodes[i].node, k);
      const auto gradients = discreet::libtorch::gradients_at(roots, flowing, edges);
      part("4 backward of the data");
      auto next = gradients.begin();
      for (; first <= last; ++first) {
        const discreet::UseNode& node = nodes[first];
        if (node.rule->outputs) {
          std::vector<uint32_t> inputs;
          for (const auto& use : node.uses) inputs.push_back(use.input);
          const std::vector<Tensor> own(next, next + node.node->num_inputs());
          std::vector<Tensor> passed_on(node.node->num_outputs());
          for (auto& made : node.rule->outputs->gradients(*node.node, inputs, own, node.layout, &passed_on))
            parts.emplace_back(node.rule->name, std::move(made));
          roots.clear(), flowing.clear();
          for (size_t slot = 0; slot < passed_on.size(); ++slot)
            if (passed_on[slot].defined())
              roots.push_back(node.node->next_edge(slot)), flowing.push_back(passed_on[slot]);
          next += node.node->num_inputs();
        } else {
          for (const auto& use : node.uses)
            parts.emplace_back(node.rule->name,
                               node.rule->gradients(*node.node, use.input, *next, node.layout));
          ++next;
        }
        for (const auto& use : node.uses) uses.push_back(&use);
        part(std::string("5 prepare: ") + node.rule->name);
      }
    }
    Tensor squared = torch::zeros({c.batch}, torch::kDouble);
    for (auto& [name, made] : parts) {
      squared += made->squared_norms().squared;
      part("6 norms: " + name);
    }
    const Tensor weights = (c.clip / squared.sqrt()).clamp_max(1);
    std::vector<Tensor> sums;
    for (size_t i = 0; i < parts.size(); ++i) {
      Tensor& block = blocks[uses[i]->parameters[0]];
      if (!parts[i].second->write_weighted(weights, 0, c.batch, uses[i]->view(block))) {
        sums.push_back(torch::zeros(block.sizes(), torch::kDouble));
        parts[i].second->add_weighted(weights, 0, c.batch, uses[i]->view(sums.back()));
      }
      part("7 weighted sum: " + parts[i].first);
    }
    discreet::Clipper clipper(parameters, c.clip);
    discreet::ClippedSum sum = clipper.take();
    start = now();
    const auto released =
        discreet::add_noise(std::move(sum), c.noise, static_cast<double>(c.batch), parameters, random);
    part("8 noise");
  }
  std::pair<double, double> all;
  for (const auto& [name, time] : total) all.first += time.first, all.second += time.second;
  std::printf("   processors        clock\n");
  for (const auto& [name, time] : total)
    std::printf("%9.2f ms %9.2f ms %5.1f %%  %s\n", 1e3 * time.first / steps, 1e3 * time.second / steps,
                100 * time.second / all.second, name.c_str());
  std::printf("%9.2f ms %9.2f ms\n", 1e3 * all.first / steps, 1e3 * all.second / steps);
}

double quantile(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  return values[static_cast<size_t>(q * static_cast<double>(values.size() - 1) + 0.5)];
}

int run(const std::string& path, const std::string& name, const std::string& mode, std::optional<int> steps) {
  const Json tasks = Json::parse(std::ifstream(path));
  for (const Json& task : tasks.at("models")) {
    if (task.at("name") != name) continue;
    torch::manual_seed(1);
    const auto batch = task.at("batch").get<int64_t>();
    Case c{task,
           tasks.at("max_grad_norm"),
           tasks.at("noise_multiplier"),
           tasks.at("learning_rate"),
           batch,
           nullptr,
           Records(task, batch * tasks.at("batches_of_data").get<int64_t>())};
    const double before = memory("VmRSS");
    c.model = step_bench::make_model(task);
    if (mode == "parts") {
      print_parts(c, steps.value_or(1));
      return 0;
    }
    Times times = mode == "private" ? private_steps(c, Pace(steps))
                                    : plain_steps(c, Pace(steps), mode == "plain-drawn");
    if (!steps) return 0;
    for (auto* all : {&times.wall, &times.cpu}) all->erase(all->begin(), all->begin() + kWarmUp);
    int64_t numbers = 0;
    for (const Tensor& parameter : trained(*c.model)) numbers += parameter.numel();
    std::cout << Json{{"who", "discreet"},
                      {"model", name},
                      {"mode", mode},
                      {"trained", numbers},
                      {"steps", *steps},
                      {"median", quantile(times.wall, 0.5)},
                      {"lower", quantile(times.wall, 0.25)},
                      {"upper", quantile(times.wall, 0.75)},
                      {"cpu", quantile(times.cpu, 0.5)},
                      {"peak_mib", memory("VmHWM")},
                      {"rise_mib", memory("VmHWM") - before}}
              << std::endl;
    return 0;
  }
  std::fprintf(stderr, "step_bench: no model '%s' in %s\n", name.c_str(), path.c_str());
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string mode = argc > 3 ? argv[3] : "";
  const bool in_turns = argc > 4 && std::string(argv[4]) == "turns";
  if (argc < 5 || (mode != "private" && mode != "plain" && mode != "plain-drawn" && mode != "parts") ||
      (!in_turns && std::atoi(argv[4]) < 1)) {
    std::fprintf(stderr,
                 "usage: step_bench TASK.json MODEL private|plain|plain-drawn|parts STEPS|turns [THREADS]\n");
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
