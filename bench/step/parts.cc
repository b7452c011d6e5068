// A private step of ours, taken apart.
#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "bench/step/case.h"
#include "discreet/base/random.h"
#include "discreet/dp/clip.h"
#include "discreet/dp/graph.h"
#include "discreet/dp/noise.h"

namespace step_bench {
namespace {

using torch::Tensor;

constexpr int kWarmUp = 3;
constexpr int kRepeats = 5;

// The shortest of some repetitions, by the clock.
template <typename Work>
double shortest(const Work& work) {
  double best = 1e9;
  for (int i = 0; i < kRepeats; ++i) {
    const double start = seconds(CLOCK_MONOTONIC);
    work();
    best = std::min(best, seconds(CLOCK_MONOTONIC) - start);
  }
  return best;
}

// Multiplications and additions a second.
double speed_of_a_large_product() {
  constexpr int64_t kSize = 1024;
  const Tensor a = torch::randn({kSize, kSize}), b = torch::randn({kSize, kSize});
  Tensor product = torch::empty({kSize, kSize});
  return 2.0 * kSize * kSize * kSize / shortest([&] { torch::mm_out(product, a, b); });
}

// Of 32 for each number, as the noise takes them.
double seconds_of_random_bits(int64_t numbers) {
  constexpr int64_t kBlock = 32768;
  discreet::RandomStream random = discreet::RandomStream::for_tests(1);
  const int64_t blocks = (numbers + kBlock - 1) / kBlock;
  std::vector<discreet::RandomStream> streams;
  for (int64_t i = 0; i < blocks; ++i) streams.push_back(random.split());
  return shortest([&] {
    at::parallel_for(0, blocks, 1, [&](int64_t begin, int64_t end) {
      std::vector<uint32_t> words(1024);
      for (int64_t block = begin; block < end; ++block)
        for (int64_t done = 0; done < std::min(kBlock, numbers - block * kBlock); done += 1024)
          streams[block].fill(std::as_writable_bytes(std::span(words)));
    });
  });
}

void print_floors(Case& c, const std::vector<discreet::TrainedParameter>& parameters) {
  const Tensor rows = torch::arange(c.batch), x = c.data.features(rows);
  const Tensor out = c.model->forward(x), cut = out.detach().requires_grad_();
  loss_of(cut, c.data.targets().index_select(0, rows)).backward();
  double operations = 0;
  int64_t numbers = 0;
  const discreet::Clipper clipper(parameters, c.clip);
  for (const auto& entry : clipper.plan(out, cut.grad() * static_cast<double>(c.batch)).entries)
    operations += entry.flops;
  for (const auto& parameter : parameters) numbers += parameter.tensor.numel();
  const double speed = speed_of_a_large_product();
  std::printf("%9.2f ms  floor of the norms: %.2f Gflop as fast as a large product, %.0f Gflop/s\n",
              1e3 * operations / speed, 1e-9 * operations, 1e-9 * speed);
  std::printf("%9.2f ms  floor of the noise: its random bits alone, of %.2f million numbers\n",
              1e3 * seconds_of_random_bits(numbers), 1e-6 * static_cast<double>(numbers));
}

}  // namespace

// What PrivacyEngine does in a step, taken apart; where one way to see a parameter is enough. Its norms are
// taken while the gradient passes, here after all of the backward pass, from memory: at most what they cost.
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
  std::printf("%9.2f ms %9.2f ms          all\n", 1e3 * all.first / steps, 1e3 * all.second / steps);
  print_floors(c, parameters);
}

}  // namespace step_bench
