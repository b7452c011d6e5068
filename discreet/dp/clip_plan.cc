#include "discreet/dp/clip_plan.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <set>

#include "discreet/base/text.h"
#include "discreet/dp/clip_piece.h"
#include "discreet/dp/full_precision.h"
#include "discreet/dp/rules/factors.h"

namespace discreet {
namespace {

constexpr double kNegligible = 0x1p-20;                // an error that a rule leaves undefined (rules/rule.h)
constexpr double kLogChance = 40 * std::numbers::ln2;  // 2^-40
constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

// Blocks of at most `block` of `samples`; each of them at most `most` clips in absolute values, `numbers` in
// the sum.
SumRounding sum_rounding(int64_t samples, int64_t block, double terms, double unit, double most,
                         double numbers) {
  if (std::isnan(unit)) return {kUnknown, kUnknown};
  SumRounding result{0, 0};
  const double blocks = std::ceil(static_cast<double>(samples) / static_cast<double>(block));
  for (int64_t begin = 0; begin < samples; begin += block) {
    const auto b = static_cast<double>(std::min(block, samples - begin));
    const double n = b * terms + 2;
    const double lambda = std::sqrt(2 * (std::log(2 * n * numbers * blocks) + kLogChance)) / (1 - unit);
    result.probable += b * most * std::expm1(lambda * std::sqrt(n) * unit + n * unit * unit / (1 - unit));
    result.proven +=
        n * unit < 1 ? b * most * n * unit / (1 - n * unit) : std::numeric_limits<double>::infinity();
  }
  result.probable = std::min(result.probable, result.proven);
  return result;
}

// The largest of each; not known where one is not.
void raise(SumRounding& largest, const SumRounding& other) {
  const auto larger = [](double a, double b) {
    return std::isnan(a) || std::isnan(b) ? kUnknown : std::max(a, b);
  };
  largest = {larger(largest.probable, other.probable), larger(largest.proven, other.proven)};
}

}  // namespace

ClipPlan ClipPiece::plan() {
  ClipPlan plan;
  plan.rows = rows_;
  plan.units = units_;
  for (int64_t unit = 0; unit < units_; ++unit)
    if (starts_[unit + 1] - starts_[unit] != 1) ++plan.units_of_rows;
  double numbers = 0;
  for (const TrainedParameter& parameter : parameters_)
    numbers += static_cast<double>(parameter.tensor.numel());

  // What bounds a unit's products in absolute value: its own norm, the error of its norms together, nothing
  // but the rule's word. Of the first over all parameters the squares add up to the clip's, of the second the
  // errors to 2^-12 of the clip: so the largest of each is enough.
  SumRounding by_norm{0, 0}, by_error{0, 0}, by_word{0, 0};
  std::set<size_t> seen;
  for (size_t p = 0; p < parameters_.size(); ++p)
    for (const UseOf& of : all_uses_) {
      const auto& parameters = of.use->parameters;
      if (std::find(parameters.begin(), parameters.end(), p) == parameters.end()) continue;
      const Uses& uses = uses_[p];
      const bool first = seen.insert(p).second;
      const RulePlan unknown{"its own", kUnknown, kUnknown, kUnknown, kUnknown, 0, kUnknown};
      const RulePlan rule = of.gradients->plan().value_or(unknown);
      const RulePlan together = uses.way == Way::kTogether ? plan_of_sum(uses.factors) : rule;
      const auto numel = static_cast<double>(parameters_[p].tensor.numel());
      ClipPlanEntry entry{parameters_[p].name, of.node->rule->name, of.node->rule->operation, together.way,
                          together.flops,      together.bytes,      together.rounding,        {}};
      const auto terms = static_cast<double>(rule.terms);
      const auto sum = [&](double most) {
        return sum_rounding(rows_, kSamplesInFloat, terms, rule.unit, most, numbers);
      };
      if (uses.way == Way::kDirect) {
        const double all = static_cast<double>(units_) * numel;
        entry.way = "one unit at a time";
        entry.flops = rule.direct_flops + 2 * all;
        entry.bytes = (numel + std::min(all, static_cast<double>(kKeptDirectly))) * sizeof(double);
        entry.norm_rounding = 0;
        entry.sum_rounding = sum_rounding(units_, units_, 1, 0x1p-53, 1, numbers);
        raise(by_norm, entry.sum_rounding);
      } else if (uses.way == Way::kApart && rule.terms == 1) {
        entry.sum_rounding = sum(1);
        raise(by_norm, entry.sum_rounding);
      } else if (entry.norm_rounding != 0) {
        entry.sum_rounding = sum(kRecomputeAt / entry.norm_rounding);
        raise(by_error, entry.sum_rounding);
      } else {
        entry.sum_rounding = sum(kNegligible / (std::sqrt(terms) * rule.unit));
        raise(by_word, entry.sum_rounding);
      }
      if (entry.norm_rounding == 0) entry.norm_rounding = kNegligible;
      if (uses.way != Way::kDirect) entry.norm_rounding += together.squared_rounding;
      if (of.joined || (uses.way == Way::kTogether && !first)) entry.flops = 0;
      if (of.joined || (uses.way != Way::kApart && !first)) entry.bytes = 0;
      plan.entries.push_back(std::move(entry));
    }
  plan.sum_rounding = {by_norm.probable + by_error.probable + by_word.probable,
                       by_norm.proven + by_error.proven + by_word.proven};
  return plan;
}

double ClipPiece::measured_rounding() {
  const FullPrecision exact(parameters_[0].tensor.device());
  std::vector<BlockSum> blocks;
  for (const TrainedParameter& parameter : parameters_)
    blocks.emplace_back(parameter.tensor.detach(), std::make_shared<GradientBuffers>());
  add_to(blocks);
  std::vector<at::Tensor> sums;
  for (const BlockSum& block : blocks) sums.push_back(block.total());
  double squared = 0;
  for (const Group& group : groups_)
    for (size_t p : group.parameters) {
      for (int64_t unit = 0; unit < units_; ++unit)
        if (const double factor = group.factors[unit].item<double>(); factor != 0)
          sums[p].sub_(direct_gradient(p, unit), factor);
      squared += sums[p].square().sum().item<double>();
    }
  return std::sqrt(squared);
}

std::string ClipPlan::table() const {
  const auto number = [](double value) { return std::isnan(value) ? "?" : format_number(value, 3); };
  std::vector<std::vector<std::string>> lines = {
      {"parameter", "rule", "operation", "way", "flops", "bytes", "norm rounding", "sum rounding"}};
  for (const ClipPlanEntry& entry : entries)
    lines.push_back({entry.parameter, entry.rule, entry.operation, entry.way, number(entry.flops),
                     number(entry.bytes), number(entry.norm_rounding), number(entry.sum_rounding.probable)});
  std::vector<size_t> widths(lines[0].size(), 0);
  for (const auto& line : lines)
    for (size_t c = 0; c < line.size(); ++c) widths[c] = std::max(widths[c], line[c].size());
  std::string text;
  for (const auto& line : lines) {
    std::string padded;
    for (size_t c = 0; c < line.size(); ++c)
      padded += line[c] + std::string(widths[c] - line[c].size() + 2, ' ');
    text += padded.substr(0, padded.find_last_not_of(' ') + 1) + '\n';
  }
  text += std::to_string(rows) + " rows of " + std::to_string(units) + " units; " +
          std::to_string(units_of_rows) + " units of several rows, one at a time in double\n";
  text += "rounding of the sum, in clips: at most " + number(sum_rounding.proven) + ", at most " +
          number(sum_rounding.probable) + " but for a chance of 2^-40";
  if (measured_rounding) text += "; measured on this batch: " + number(*measured_rounding);
  return text + '\n';
}

}  // namespace discreet
