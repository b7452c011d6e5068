// Start here: private training of an unmodified torch::nn model with an unmodified torch::optim optimizer.
//
//   PrivacyEngine engine(model, {.batch_size = 256, .sample_size = 60000, .noise_multiplier = 1.1,
//                                .max_grad_norm = 1.0, .loss_reduction = Reduction::kMean});
//   engine.attach(optimizer);
//   for (auto batch : engine.loader(dataset)) {
//     optimizer.zero_grad();
//     auto output = engine.watch(model, batch.data);   // the one changed line; was
//     model->forward(batch.data) torch::nll_loss(output, batch.target).backward(); optimizer.step();
//   }
//   engine.epsilon(1e-5);
//
// The guarantee: each release (one draw's gradients, after backward) is one Poisson-sampled Gaussian
// mechanism with sample rate batch_size / sample_size and noise of noise_multiplier * the sensitivity of the
// clipped sum (clip.h, noise.h), or of that and a count together (adaptive_clip.h); whatever the optimizer
// does with it is post-processing. Any other way from the records to the trained parameters stops with an
// Error: a gradient that went round the engine (libtorch's own error where it goes back through the graph
// that the engine used up), a buffer or a parameter that the forward pass wrote, a draw that was dropped,
// used twice or summed, a gradient that was changed after its release.
//
// Not seen by the engine, and the caller's duty: a loss that is not the declared reduction of per-sample
// losses (check() looks for that); statistics of the batch that the model detaches, and outputs that depend
// on a row's place or on the number of rows (watch() looks for them on the first batch); rows mixed before
// they come to the model; parameters outside the model that learn from the raw loss, and other uses of
// gradients by hand (torch::autograd::grad); state that the model keeps outside parameters and buffers; and
// what is printed or stored of losses, outputs and counts, or decided by them.
// One thread at a time; one draw at a time. While the engine lives, no other backward pass may reach the
// trained parameters: diagnose on a copy of the model.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "discreet/accounting/event.h"
#include "discreet/accounting/relation.h"
#include "discreet/dp/adaptive_clip.h"
#include "discreet/dp/clip.h"
#include "discreet/dp/clip_plan.h"
#include "discreet/dp/guard.h"
#include "discreet/dp/loader.h"
#include "discreet/dp/processes.h"

namespace discreet {

// How the loss that backward() starts from was made of per-sample losses.
enum class Reduction {
  kUndeclared,  // refused: a mean that is clipped as a sum is hardly clipped at all
  kMean,        // their mean over the rows of the batch that was handed out
  kSum,         // their sum
};

// Where the records are, when several processes train. What one unit adds is bounded only if all its rows are
// used by one process.
enum class Placement {
  kUndeclared,  // refused
  // loader() is given the same rows in the same order everywhere, and shares out the units. It reads all rows
  // to make sure; rows that change at random when they are read are refused.
  kWholeOnEach,
  // Each process has its own part, and no unit is in two of them. The identifiers in `units` then mean the
  // same everywhere; without them loader() refuses parts that have equal records.
  kPartOnEach,
};

// How the gradients of single units are found.
enum class GradMode {
  kGraph,  // from the autograd graph of the whole batch, by the clip rules
  // Each unit by itself through the model: any differentiable model, at the price of a forward and a backward
  // pass for each unit. No clip rule is asked, and nothing can mix units. A checkpoint that reaches backward
  // by itself is refused where it writes gradients, and where no parameter lies behind its input: autograd
  // would not run it.
  kExactSlow,
};

struct PrivacyOptions {
  int64_t batch_size = 0;  // expected number of units in a draw, and what sums are divided by; at least 1
  double sample_size = 0;  // declared or privately estimated number of units; at least batch_size
  double noise_multiplier = 0;  // noise / sensitivity; above 0, finite
  double max_grad_norm = 1.0;   // 1e-30 to 1e30; with adaptive_clipping: the first step's
  Clipping clipping = {};       // one norm, or one for each group of parameters; normalised or not
  Reduction loss_reduction = Reduction::kUndeclared;
  Relation relation = Relation::kAddOrRemoveOne;  // what epsilon() is stated for

  // Steps of the same run that were charged before this engine existed: they count in epsilon() and in the
  // step numbers.
  int64_t steps_before = 0;

  // The clip follows a quantile of the norms (adaptive_clip.h). noise_multiplier stays what the accountant is
  // told: of the clipped sum and the count of units together, so the sum gets more noise.
  std::optional<AdaptiveClipping> adaptive_clipping = {};

  // Called with the step's number (from steps_before + 1) before its noise is drawn; when it throws, nothing
  // is released. For a ledger of one's own.
  std::function<void(int64_t step)> charge = {};

  // A ledger (its file): the whole training of `ledger_steps` steps is reserved at `ledger_delta` for the
  // data set of the first loader(), each step is charged there before its release, and the last one settles
  // the run; one that stops earlier keeps what it reserved. A loader() of another data set is refused.
  // Without a ledger, epsilon() is the cost of this run alone.
  std::string ledger = {};
  std::string ledger_dataset = {};      // the data set's label in the ledger
  std::string ledger_unit_column = {};  // what the units are called there, where loader() is given units
  // A run that was reserved for this training by an engine before this one: it goes on behind its last
  // charged step, which may be beyond steps_before.
  std::string ledger_run = {};
  int64_t ledger_steps = 0;
  double ledger_delta = 1e-5;

  GradMode grad_mode = GradMode::kGraph;
  // With kGraph, where a rule has two ways to the norms. What is released is the same but for rounding.
  NormWay norm_way = NormWay::kAutomatic;
  std::vector<Rule> rules = {};   // clip rules of one's own (rules/rule.h); examples/05_custom_rule.cc
  int64_t batch_dimension = 0;    // the dimension of the watched output that is the rows handed out
  bool check_first_batch = true;  // the first batch of two rows or more, as check() does

  // Buffers, and frozen parameters, whose updates do not depend on the data (step counters, power iteration
  // on weights).
  std::vector<std::string> independent_buffers = {};

  // Several processes that train one model together (process_group.h makes them). Every number above is that
  // of the whole, and the same on all; `charge` and the ledger are used on process 0. Every call up to the
  // release is made on all of them, and so is every step of the optimizer.
  std::shared_ptr<Processes> processes = {};
  Placement placement = Placement::kUndeclared;

  // Same draws and noise every time. Not private, and is_private() says so.
  std::optional<uint64_t> seed_for_tests = {};

  // For tests and study: batches of any origin are taken by hand_in(), noise_multiplier may be 0. Nothing is
  // accounted for: epsilon() and event() refuse, is_private() is false.
  bool unaccounted = false;

  // For a binding whose modules are not those of `model`: true puts them into evaluation mode, false back.
  // The look at the first batch does so where the model draws random numbers (dropout).
  std::function<void(bool)> evaluating = {};

  // Runs what the engine does inside of backward(), its refusals among them; must call `work` once. A binding
  // to another language turns errors into that language's there.
  InBackward in_backward = {};
};

class PrivacyEngine {
 public:
  // Trains the model's parameters that require a gradient now. kInvalidArgument for options out of range,
  // kUnsupported for parameters that are neither float nor double.
  PrivacyEngine(std::shared_ptr<torch::nn::Module> model, PrivacyOptions options);
  ~PrivacyEngine();
  PrivacyEngine(const PrivacyEngine&) = delete;
  PrivacyEngine& operator=(const PrivacyEngine&) = delete;

  // Checks that the optimizer holds exactly the trained parameters (frozen ones do not matter). Once, before
  // the first draw; kInvalidArgument otherwise.
  void attach(torch::optim::Optimizer& optimizer);

  // Each release's draw comes in k disjoint pieces, one a batch; the optimizer has gradients after the last
  // one only and skips the others. Clip and normaliser refer to the whole draw. The loss is not divided by k.
  void accumulate(int64_t k);

  // Draws for one pass: round(sample_size / batch_size) of them, or `draws`. The data set is a
  // discreet::Dataset (its rows with a target, its units) or a torch::data data set, which must outlive the
  // loader. `units`: an identifier of the unit of each row. An empty draw (or piece) is handed out as one row
  // of zeros that belongs to nobody and adds nothing, so that any model and loss can go through it: its
  // release is pure noise.
  template <typename Source>
  Loader loader(Source& dataset, std::optional<int64_t> draws = {}, const std::vector<int64_t>& units = {}) {
    const Loader::Fetch fetch = make_fetch(dataset);
    const int64_t rows = count_rows(dataset);
    return Loader(fetch, pieces({rows, units.empty() ? units_of(dataset) : units,
                                 [=](const Rows::Visit& visit) { for_each_record(fetch, rows, visit); }},
                                draws));
  }
  // The same draws for data that no Loader can hold: the caller fetches the rows. For a piece without rows it
  // makes up one that belongs to nobody.
  Pieces pieces(Rows rows, std::optional<int64_t> draws = {});

  // With `unaccounted`: a batch of the caller's own, of so many rows, each a unit, as the next piece.
  void hand_in(int64_t rows);

  // Rows of the batch that was handed out and not yet watched; 1 for a piece without rows; 0: there is none.
  int64_t handed_out() const;

  // Whether the batch that was handed out needs watch(model, rows): the model is to be looked at first
  // (check_first_batch), or runs on each unit (GradMode::kExactSlow). Otherwise its output is enough.
  bool needs_model() const;

  // The output of the training forward, [rows handed out, ...], cut off from its graph: backward() on a loss
  // of it ends here, where the engine clips and, for the last piece, adds noise and sets the gradients.
  // `model`: what maps a batch's rows to its output, a module (or holder of one) with forward(Tensor) or any
  // function. The first batch is checked, as check() does, for outputs that depend on other rows.
  template <typename Model>
  torch::Tensor watch(Model&& model, const torch::Tensor& x) {
    if constexpr (std::is_invocable_r_v<torch::Tensor, Model&, torch::Tensor>) {
      return watch_forward([&](torch::Tensor rows) { return model(rows); }, x);
    } else {
      return watch_forward([&](torch::Tensor rows) { return model->forward(rows); }, x);
    }
  }
  // Where the forward pass takes more than one tensor. Nothing can be checked here: call check() before the
  // first draw, or declare with check_first_batch = false that no output depends on other rows. Not with
  // GradMode::kExactSlow.
  torch::Tensor watch(const torch::Tensor& output);

  // How much each unit of the batch that was handed out counts, [units], from 0 to clipping.max_weight: its
  // clipped gradient is multiplied by it. Before backward(). A unit's weight may depend on its own data and
  // on nothing of the others. Without it each counts 1. (Weights within the loss act before the clip and need
  // no declaration.)
  void weigh(const torch::Tensor& weights);

  // For a hook that optimizers run before their step: throws where a draw is not through backward() yet, and
  // where a gradient was changed since its release, which the next draw would notice too late.
  void before_step() const;

  // Gives up the present draw, where a step was interrupted: it is charged as if it had been released, and
  // nothing is. Does nothing between draws. kUnsupported with several processes; and, once it is done, where
  // the forward pass that was interrupted had written a parameter.
  void forfeit();

  // Upper bound on epsilon at delta of all steps so far, steps_before included: this run alone. It holds for
  // a number of steps that was fixed beforehand; a loop that stops when this reaches a limit, or when results
  // are good, is charged for the steps it might have made.
  double epsilon(double delta) const;
  // The mechanism that ran, for an accountant.
  Event event() const;
  // Releases, steps_before included.
  int64_t steps() const;
  // The clip of the next release: as given, or as the releases before it set it. An engine that goes on from
  // here is given it as its max_grad_norm.
  double max_grad_norm() const;
  // Standard deviation of the noise in each number of the next released gradient: for AdamBC (adam_bc.h).
  double gradient_stddev() const;
  // False with seed_for_tests.
  bool is_private() const;
  // Id of the run in the ledger; empty without one.
  const std::string& ledger_run() const;
  // Units clipped, and units whose gradient was not finite and added nothing; of this process. Private: for
  // the owner's eyes. Waits for a device.
  ClipCounts counts() const;

  // Looks, on one batch of at least 2 rows, for what the engine cannot see at each step: outputs that depend
  // on other samples, a layout of rows that differs from the derived one, buffers that change, a loss that is
  // not the declared reduction of per-sample losses. kUnsupported with the form to use. Nothing is released;
  // what is computed stays here. `forward` maps a batch to its output, unwatched.
  void check(const std::function<torch::Tensor(torch::Tensor)>& forward,
             const std::function<torch::Tensor(torch::Tensor, torch::Tensor)>& loss, const torch::Tensor& x,
             const torch::Tensor& y);

  // How the norms and the sum of a batch like this one come about: for each use of each trained parameter the
  // rule, its way, cost and rounding (clip_plan.h). `forward`, `loss`: as for check(). Nothing is released;
  // with options.measure the plan says something of the records, and is for the owner's eyes. Not with
  // GradMode::kExactSlow.
  ClipPlan plan(const std::function<torch::Tensor(torch::Tensor)>& forward,
                const std::function<torch::Tensor(torch::Tensor, torch::Tensor)>& loss,
                const torch::Tensor& x, const torch::Tensor& y, const PlanOptions& options = {});

 private:
  friend class Loader;
  torch::Tensor watch_forward(const std::function<torch::Tensor(torch::Tensor)>& forward,
                              const torch::Tensor& x);
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace discreet
