// One mechanism on several processes: they agree on what it is and hold each unit on one process; each clips
// its own share of the draw; the sums are added up; process 0 charges, adds the noise once, rounds once, and
// hands the release round. So it is the release that one process would have made of the whole draw.
#include <algorithm>
#include <exception>
#include <iterator>

#include "discreet/base/error.h"
#include "discreet/base/hash.h"
#include "discreet/dp/engine_state.h"

namespace discreet {
namespace {

constexpr int64_t kStepsBetweenComparisons = 16;  // of the parameters

std::string_view bytes_of(const void* data, size_t size) {
  return {static_cast<const char*>(data), size};
}

std::string digest_of(const torch::nn::Module& model) {
  std::string digests;
  for (const auto& parameter : model.named_parameters()) {
    const at::Tensor values = parameter.value().detach().cpu().contiguous();
    digests += sha256_hex(bytes_of(values.data_ptr(), values.nbytes()));
  }
  return sha256_hex(digests);
}

// Names, shapes, types and which are trained: what has to fit before weights are exchanged.
std::string form_of(const torch::nn::Module& model) {
  std::string form;
  const auto add = [&](const std::string& name, const at::Tensor& tensor) {
    form += name + ' ' + toString(tensor.scalar_type()) + (tensor.requires_grad() ? " trained" : "");
    for (const int64_t side : tensor.sizes()) form += ' ' + std::to_string(side);
    form += '\n';
  };
  for (const auto& parameter : model.named_parameters()) add(parameter.key(), parameter.value());
  for (const auto& buffer : model.named_buffers()) add(buffer.key(), buffer.value());
  return form;
}

void take_from_first(Processes& processes, const at::Tensor& tensor) {
  if (tensor.numel() == 0) return;
  const at::Tensor values = tensor.detach().cpu().contiguous();
  processes.broadcast(values, 0);
  tensor.detach().copy_(values);
}

// Sorted, without repetitions.
at::Tensor distinct(std::vector<int64_t> numbers) {
  std::sort(numbers.begin(), numbers.end());
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  return torch::tensor(numbers, at::kLong);
}

bool overlap(const at::Tensor& a, const at::Tensor& b) {
  const auto *left = a.data_ptr<int64_t>(), *right = b.data_ptr<int64_t>();
  std::vector<int64_t> both;
  std::set_intersection(left, left + a.numel(), right, right + b.numel(), std::back_inserter(both));
  return !both.empty();
}

}  // namespace

void PrivacyEngine::State::join() {
  const at::NoGradGuard no_grad;
  Processes& processes = *options.processes;
  Agreement same("attach()");
  same.add("batch_size", static_cast<double>(options.batch_size));
  same.add("sample_size", options.sample_size);
  same.add("noise_multiplier", options.noise_multiplier);
  same.add("max_grad_norm", options.max_grad_norm);
  same.add("clipping.style", static_cast<double>(options.clipping.style));
  same.add("clipping.normalise", options.clipping.normalise ? "yes" : "no");
  same.add("clipping.max_weight", options.clipping.max_weight);
  same.add("clipping.stability", options.clipping.stability);
  for (const ClipGroup& group : options.clipping.groups)
    same.add("clipping.groups of '" + group.prefix + "'", group.max_grad_norm);
  same.add("batch_dimension", static_cast<double>(options.batch_dimension));
  same.add("loss_reduction", static_cast<double>(options.loss_reduction));
  same.add("relation", to_string(options.relation));
  const std::optional<AdaptiveClipping>& adaptive = options.adaptive_clipping;
  same.add("adaptive_clipping.target_quantile", adaptive ? adaptive->target_quantile : -1);
  same.add("adaptive_clipping.learning_rate", adaptive ? adaptive->learning_rate : -1);
  same.add("adaptive_clipping.count_noise_multiplier",
           adaptive ? adaptive->count_noise_multiplier.value_or(0) : -1);
  same.add("unaccounted", options.unaccounted ? "yes" : "no");
  same.add("steps_before", static_cast<double>(options.steps_before));
  same.add("whether there is a ledger", options.ledger.empty() ? "no" : "yes");
  same.add("ledger_dataset", options.ledger_dataset);
  same.add("ledger_unit_column", options.ledger_unit_column);
  same.add("ledger_steps", static_cast<double>(options.ledger_steps));
  same.add("ledger_delta", options.ledger_delta);
  same.add("placement", static_cast<double>(options.placement));
  same.add("seed_for_tests", options.seed_for_tests ? std::to_string(*options.seed_for_tests) : "none");
  same.add("the model", form_of(*model));
  same.check(processes);
  for (const auto& parameter : model->named_parameters()) take_from_first(processes, parameter.value());
  for (const auto& buffer : model->named_buffers()) take_from_first(processes, buffer.value());
}

PoissonDraws PrivacyEngine::State::own_draws(const Rows& rows, int64_t draws) {
  const std::vector<int64_t>& units = rows.units;
  Processes& processes = *options.processes;
  const bool whole = options.placement == Placement::kWholeOnEach;
  std::vector<int64_t> records;
  if (whole || units.empty())
    rows.for_each_record([&](const std::string& bytes) {
      records.push_back(static_cast<int64_t>(std::stoull(sha256_hex(bytes).substr(0, 16), nullptr, 16)));
    });
  Agreement same("loader()");
  same.add("the number of draws", static_cast<double>(draws));
  same.add("whether units are given", units.empty() ? "no" : "yes");
  same.add("the parameters", digest_of(*model));
  if (whole) {
    same.add("the records and their order", bytes_of(records.data(), records.size() * sizeof(int64_t)));
    same.add("the units", bytes_of(units.data(), units.size() * sizeof(int64_t)));
  }
  same.check(processes);
  const PoissonDraws all(rows.count, units);
  if (whole) return all.share(processes.rank(), processes.size());

  const std::vector<at::Tensor> held = gather(processes, distinct(units.empty() ? records : units));
  for (size_t a = 0; a < held.size(); ++a)
    for (size_t b = a + 1; b < held.size(); ++b)
      if (overlap(held[a], held[b]))
        throw Error(
            ErrorKind::kInvalidArgument,
            "processes " + std::to_string(a) + " and " + std::to_string(b) +
                (units.empty() ? " have a record in common: give each record to one process, and where "
                                 "different units have equal records name their `units`"
                               : " have rows of one unit: give all rows of a unit to one process"));
  return all;
}

void PrivacyEngine::State::add_up(ClippedSum& sum, int64_t step) {
  Agreement same("release");
  same.add("the step's number", static_cast<double>(step));
  same.add("the sensitivity", sum.sensitivity());
  if (step % kStepsBetweenComparisons == 0) same.add("the parameters", digest_of(*model));
  same.check(*options.processes);
  if (options.processes->rank() != 0) steps = step;  // process 0 may charge it, also where the sum fails here
  sum.sum_over(*options.processes);
}

void PrivacyEngine::State::on_first(const std::string& what, const std::function<void()>& action) {
  if (!options.processes) return action();
  const bool first = options.processes->rank() == 0;
  std::exception_ptr failure;
  if (first) try {
      action();
    } catch (...) {
      failure = std::current_exception();
    }
  const at::Tensor outcome = torch::tensor({failure ? int64_t{0} : int64_t{1}, steps}, at::kLong);
  options.processes->broadcast(outcome, 0);
  if (failure) std::rethrow_exception(failure);
  steps = outcome[1].item<int64_t>();
  if (outcome[0].item<int64_t>() == 0)
    throw Error(ErrorKind::kUnavailable, "process 0 could not " + what + "; its own error says why");
}

void PrivacyEngine::State::hand_round(std::vector<at::Tensor>& released, double& next_clip) {
  if (released.empty())
    for (const TrainedParameter& parameter : clipper.parameters())
      released.push_back(at::empty_like(parameter.tensor, parameter.tensor.options().requires_grad(false),
                                        at::MemoryFormat::Contiguous));
  std::vector<at::Tensor> parts;  // views
  for (const at::Tensor& tensor : released)
    if (tensor.numel() > 0) parts.push_back(tensor.view({-1}).view(at::kByte));
  const at::Tensor bytes = at::cat(parts).cpu();
  options.processes->broadcast(bytes, 0);
  int64_t begin = 0;
  for (at::Tensor& part : parts) {
    part.copy_(bytes.slice(0, begin, begin + part.numel()));
    begin += part.numel();
  }
  const at::Tensor clip = torch::tensor({next_clip}, at::kDouble);
  options.processes->broadcast(clip, 0);
  next_clip = clip[0].item<double>();
}

}  // namespace discreet
