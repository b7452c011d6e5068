// The graph engine on random models: the clipped sum beside one-sample-at-a-time gradients in double. A
// refusal is an answer; a sum that differs never is. With DISCREET_SOAK tens of thousands of models.
//
// A model that mixes samples must be refused too, unless what it does keeps the graph of its samples apart:
// then the sum is that of the gradients of single output rows, and PrivacyEngine::check sees in the outputs
// whether they depend on other rows (a batch in another order).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <optional>

#include "discreet/base/error.h"
#include "discreet/dp/clip.h"
#include "discreet/dp/random_graphs/random_graphs_testing.h"

namespace discreet {
namespace {

using namespace random_graphs;
using Tensors = std::vector<Tensor>;

constexpr double kAllowed = 1e-10;

int64_t times(int64_t ordinary) {
  return std::getenv("DISCREET_SOAK") != nullptr ? 100 * ordinary : ordinary;
}

// From DISCREET_GRAPH_SEED, to see one model again.
uint64_t first_seed() {
  const char* text = std::getenv("DISCREET_GRAPH_SEED");
  return text == nullptr ? 1 : std::strtoull(text, nullptr, 10);
}

// Flat; zeros where no gradient flows. By backward() into .grad: 1.13's autograd::grad stops at tensors of
// which parts were written in place.
Tensor gradient_of(const Tensor& out, const Tensor& g, const Tensors& parameters) {
  for (const Tensor& parameter : parameters) parameter.mutable_grad() = Tensor();
  out.backward(g, /*retain_graph=*/true);
  Tensors flat;
  for (const Tensor& parameter : parameters)
    flat.push_back(parameter.grad().defined() ? parameter.grad().reshape({-1})
                                              : torch::zeros({parameter.numel()}, torch::kDouble));
  return torch::cat(flat);
}

struct Trial {
  Model model;
  Tensors parameters;
  Tensor x, tokens, out, g;
  std::vector<int64_t> starts;  // of units; one more than units

  Trial(uint64_t seed, bool mixing) : model(random_model(seed, mixing)) {
    torch::manual_seed(seed);
    parameters = model.make_parameters();
    x = model.make_x();
    tokens = model.make_tokens();
    out = model.forward(parameters, x, tokens);
    g = torch::randn(out.sizes(), torch::kDouble);
    for (int64_t row = 0; row < model.samples; ++row)
      if (row == 0 || seed % 4 != 0 || row % 2 == 0) starts.push_back(row);
    starts.push_back(model.samples);
  }

  Tensor part(const Tensor& t, int64_t row) const { return t.slice(model.batch_dimension, row, row + 1); }

  // The gradient of each row's own loss: of the sample alone, or of that row of the output.
  Tensors alone() const {
    Tensors rows;
    for (int64_t row = 0; row < model.samples; ++row) {
      const Tensor one = model.forward(parameters, x.slice(0, row, row + 1), tokens.slice(0, row, row + 1),
                                       /*by_hand=*/true);
      rows.push_back(gradient_of(one, part(g, row), parameters));
    }
    return rows;
  }
  Tensors of_rows() const {
    Tensors rows;
    const Tensor by_hand = model.forward(parameters, x, tokens, /*by_hand=*/true);
    for (int64_t row = 0; row < model.samples; ++row) {
      Tensor masked = torch::zeros_like(g);
      part(masked, row).copy_(part(g, row));
      rows.push_back(gradient_of(by_hand, masked, parameters));
    }
    return rows;
  }

  // Whether an output row moves with another sample's data: what PrivacyEngine::check looks for.
  bool rows_depend_on_others() const {
    torch::NoGradGuard no_grad;
    for (int64_t row = 0; row < model.samples; ++row) {
      Tensor other_x = x.clone(), other_tokens = tokens.clone();
      other_x[row] = x[row] * -1.5 + 0.25;
      other_tokens[row] = (tokens[row] + 1).remainder(kVocabulary);
      const Tensor moved = model.forward(parameters, other_x, other_tokens);
      for (int64_t other = 0; other < model.samples; ++other)
        if (other != row && !torch::allclose(part(out, other), part(moved, other), 1e-6, 1e-9)) return true;
    }
    return false;
  }
};

// The sum over units of what `rows` give, clipped.
Tensor clipped_sum(const Tensors& rows, const std::vector<int64_t>& starts, double clip) {
  Tensor sum = torch::zeros_like(rows[0]);
  for (size_t unit = 0; unit + 1 < starts.size(); ++unit) {
    Tensor gradient = torch::zeros_like(rows[0]);
    for (int64_t row = starts[unit]; row < starts[unit + 1]; ++row) gradient += rows[row];
    sum += gradient * (clip / std::max(gradient.norm().item<double>(), clip));
  }
  return sum;
}

// A clip that some units pass and some do not.
double middle_norm(const Tensors& rows) {
  std::vector<double> norms;
  for (const Tensor& row : rows) norms.push_back(row.norm().item<double>());
  std::sort(norms.begin(), norms.end());
  return std::max(norms[norms.size() / 2], 1e-8);
}

// The engine's clipped sum, flat; nothing where the model is refused.
std::optional<Tensor> engine_sum(const Trial& trial, double clip, std::string* refusal) {
  std::vector<TrainedParameter> parameters;
  for (const Tensor& tensor : trial.parameters)
    parameters.push_back({"p" + std::to_string(parameters.size()), tensor});
  GraphOptions options;
  options.batch_dimension = trial.model.batch_dimension;
  Clipper clipper(parameters, clip, {}, options);
  std::vector<int64_t> starts(trial.starts.begin(), trial.starts.end() - 1);
  if (static_cast<int64_t>(starts.size()) == trial.model.samples) starts.clear();
  try {
    clipper.add(trial.out, trial.g, starts);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kUnsupported) throw;
    *refusal = error.what();
    return {};
  }
  Tensors flat;
  const ClippedSum sum = clipper.take();
  for (const Tensor& part : sum.tensors()) flat.push_back(part.reshape({-1}));
  return torch::cat(flat);
}

double distance(const Tensor& a, const Tensor& b, double clip) {
  return (a - b).norm().item<double>() / std::max(a.norm().item<double>(), clip);
}

// The parameters in which two sums differ.
std::string differing(const Trial& trial, const Tensor& a, const Tensor& b, double clip) {
  std::string text;
  int64_t begin = 0;
  for (size_t i = 0; i < trial.parameters.size(); begin += trial.parameters[i++].numel()) {
    const int64_t end = begin + trial.parameters[i].numel();
    if (distance(a.slice(0, begin, end), b.slice(0, begin, end), clip) > kAllowed)
      text += (text.empty() ? "in p" : ", p") + std::to_string(i);
  }
  return text;
}

// Why models were refused, by the operation that the message names.
std::string reason_of(const std::string& message) {
  const size_t from = std::min(message.find("used by '"), message.find("through '"));
  return message.substr(from == std::string::npos ? 0 : from, 90);
}

struct Tally {
  int64_t models = 0, covered = 0, same = 0;
  std::map<std::string, int64_t> refusals;

  void print() const {
    if (std::getenv("DISCREET_SOAK") == nullptr) return;
    std::cout << covered << " of " << models << " covered, " << same
              << " with the gradients of single samples\n";
    for (const auto& [reason, count] : refusals)
      if (count * 200 > models) std::cout << count << "  " << reason << "\n";
  }
};

// Runs `check` for each model that the engine covers, and tells of which model it was where it fails.
template <typename Check>
Tally each_model(bool mixing, int64_t count, Check check) {
  Tally tally;
  const uint64_t first = first_seed();
  for (uint64_t seed = first; seed < first + static_cast<uint64_t>(count); ++seed) {
    std::string text = "not made";
    try {
      const Trial trial(seed, mixing);
      text = trial.model.text;
      const Tensors rows = trial.of_rows();
      const double clip = middle_norm(rows);
      if (!torch::stack(rows).isfinite().all().item<bool>()) continue;
      ++tally.models;
      std::string refusal;
      const auto sum = engine_sum(trial, clip, &refusal);
      if (sum) {
        ++tally.covered;
        check(trial, rows, clip, *sum, &tally);
      } else {
        ++tally.refusals[reason_of(refusal)];
      }
    } catch (const std::exception& error) {
      ADD_FAILURE() << error.what();
    }
    if (testing::Test::HasFailure()) {
      ADD_FAILURE() << "the model of seed " << seed << ", to be seen again with DISCREET_GRAPH_SEED=" << seed
                    << ":\n"
                    << text;
      break;
    }
  }
  tally.print();
  return tally;
}

TEST(RandomGraphs, ThatKeepSamplesApart) {
  const int64_t count = times(300);
  const Tally tally = each_model(
      false, count, [](const Trial& trial, const Tensors&, double clip, const Tensor& sum, Tally* seen) {
        const Tensor expected = clipped_sum(trial.alone(), trial.starts, clip);
        EXPECT_LE(distance(expected, sum, clip), kAllowed)
            << "unlike the sum of single samples' gradients " << differing(trial, expected, sum, clip);
        ++seen->same;
      });
  if (testing::Test::HasFailure()) return;
  EXPECT_GT(tally.models, count * 9 / 10);
  EXPECT_GT(tally.covered, tally.models * 3 / 4);
}

TEST(RandomGraphs, ThatMixSamples) {
  const int64_t count = times(300);
  const Tally tally = each_model(
      true, count, [](const Trial& trial, const Tensors& rows, double clip, const Tensor& sum, Tally* seen) {
        EXPECT_LE(distance(clipped_sum(rows, trial.starts, clip), sum, clip), kAllowed)
            << "unlike the sum of single output rows' gradients";
        Tensors alone;
        try {
          alone = trial.alone();
        } catch (const std::exception&) {  // a sample alone does not have the right sizes
          return;
        }
        if (distance(clipped_sum(alone, trial.starts, clip), sum, clip) <= kAllowed) {
          ++seen->same;
        } else {
          EXPECT_TRUE(trial.rows_depend_on_others())
              << "unlike the sum of single samples' gradients, and no output shows it";
        }
      });
  if (testing::Test::HasFailure()) return;
  // Most are refused, and not by accident: of models without such a step most are covered.
  EXPECT_GT(tally.models, count * 9 / 10);
  EXPECT_LT(tally.covered, tally.models / 2);
}

}  // namespace
}  // namespace discreet
