#include "discreet/dp/privacy_engine.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "discreet/accounting/accountant.h"
#include "discreet/base/error.h"
#include "discreet/dp/engine_state.h"
#include "discreet/dp/noise.h"

namespace discreet {
namespace {

[[noreturn]] void refuse(const std::string& message) {
  throw Error(ErrorKind::kInvalidArgument, message);
}

void validate(const PrivacyOptions& o) {
  if (o.batch_size < 1) refuse("batch_size must be at least 1");
  if (!std::isfinite(o.sample_size) || o.sample_size < static_cast<double>(o.batch_size))
    refuse("sample_size must be a finite number not below batch_size: the sample rate is their quotient");
  const bool no_noise = o.unaccounted && o.noise_multiplier == 0;
  if ((!(o.noise_multiplier > 0) && !no_noise) || !std::isfinite(o.noise_multiplier))
    refuse("noise_multiplier must be a finite number above 0: without noise nothing is private");
  if (!(o.max_grad_norm > 0) || !std::isfinite(o.max_grad_norm))
    refuse("max_grad_norm must be a finite number above 0");
  if (o.loss_reduction != Reduction::kMean && o.loss_reduction != Reduction::kSum)
    refuse("loss_reduction must be declared: Reduction::kMean or Reduction::kSum");
  if (o.adaptive_clipping && (o.clipping.style != Clipping::Style::kFlat || o.clipping.normalise))
    refuse("adaptive_clipping sets one norm: clipping must be Clipping::Style::kFlat, not normalised");
  if (o.grad_mode == GradMode::kExactSlow && !o.rules.empty())
    refuse("rules: GradMode::kExactSlow asks none");
  if (o.grad_mode == GradMode::kExactSlow && o.norm_way != NormWay::kAutomatic)
    refuse("norm_way: GradMode::kExactSlow asks no rule");
  if (o.steps_before < 0) refuse("steps_before must not be negative");
  if (!o.ledger.empty()) {
    if (o.unaccounted) refuse("unaccounted: an engine that accounts for nothing has no ledger");
    if (o.charge) refuse("give either ledger or charge, not both");
    if (o.steps_before != 0 && o.ledger_run.empty())
      refuse("a run in a ledger starts at its first step: steps_before must be 0, unless ledger_run goes on");
    if (o.ledger_steps < 1) refuse("ledger_steps must be at least 1: the ledger reserves the whole training");
    if (!(o.ledger_delta > 0 && o.ledger_delta < 1)) refuse("ledger_delta must lie between 0 and 1");
    if (o.ledger_dataset.empty()) refuse("ledger_dataset must give the data set's label in the ledger");
  }
  if (o.processes && o.placement == Placement::kUndeclared)
    refuse("placement must be declared with processes: Placement::kWholeOnEach or Placement::kPartOnEach");
  if (o.processes && o.placement == Placement::kPartOnEach && !o.ledger.empty())
    throw Error(ErrorKind::kUnsupported,
                "a ledger recognises a data set by the whole of it: give each process the whole "
                "(Placement::kWholeOnEach), or charge a ledger of your own (charge)");
}

std::vector<TrainedParameter> trained_parameters(const torch::nn::Module& model) {
  std::vector<TrainedParameter> result;
  std::set<const void*> seen;
  for (const auto& parameter : model.named_parameters())
    if (parameter.value().requires_grad() && seen.insert(parameter.value().unsafeGetTensorImpl()).second)
      result.push_back({parameter.key(), parameter.value()});
  return result;
}

std::optional<AdaptiveClip> adaptive_clip(const PrivacyOptions& o) {
  if (!o.adaptive_clipping) return {};
  return AdaptiveClip(*o.adaptive_clipping, o.noise_multiplier, static_cast<double>(o.batch_size),
                      o.max_grad_norm);
}

// With `unaccounted` and a noise_multiplier of 0.
std::vector<at::Tensor> without_noise(const ClippedSum& sum, double normaliser,
                                      const std::vector<TrainedParameter>& parameters) {
  std::vector<at::Tensor> result = sum.tensors();
  for (size_t p = 0; p < result.size(); ++p)
    result[p] = (result[p] / normaliser).to(parameters[p].tensor.scalar_type());
  return result;
}

// How many draws go by on a device before it is asked whether a buffer changed.
constexpr int64_t kDrawsUnread = 64;

// `which` of the streams of this process: the others' test streams differ.
RandomStream stream(const PrivacyOptions& options, uint64_t which) {
  if (!options.seed_for_tests) return RandomStream::from_kernel();
  const uint64_t rank = options.processes ? options.processes->rank() : 0;
  const uint64_t size = options.processes ? options.processes->size() : 1;
  return RandomStream::for_tests((*options.seed_for_tests * size + rank) * 2 + which);
}

}  // namespace

PrivacyEngine::State::State(std::shared_ptr<torch::nn::Module> trained_model, PrivacyOptions chosen)
    : model(std::move(trained_model)),
      options(std::move(chosen)),
      clipper(trained_parameters(*model), options.max_grad_norm, options.clipping,
              {options.batch_dimension, options.rules, options.norm_way}),
      adaptive_clip(discreet::adaptive_clip(options)),
      raw_gradients(clipper.parameters(), options.in_backward),
      gradients(clipper.parameters()),
      buffers(*model, options.independent_buffers),
      written(*model, options.independent_buffers),
      sampling(stream(options, 0)),
      noise(stream(options, 1)),
      steps(options.steps_before) {}

PrivacyEngine::PrivacyEngine(std::shared_ptr<torch::nn::Module> model, PrivacyOptions options) {
  validate(options);
  if (!model) refuse("the privacy engine needs a model");
  state_ = std::make_shared<State>(std::move(model), std::move(options));
}

// A loader may live on, and would keep the guards.
PrivacyEngine::~PrivacyEngine() {
  state_->ended = true;
  state_->raw_gradients.lift();
}

void PrivacyEngine::attach(torch::optim::Optimizer& optimizer) {
  if (state_->attached) refuse("an optimizer is attached already: one engine serves one optimizer");
  std::set<const void*> held;
  for (const auto& group : optimizer.param_groups())
    for (const at::Tensor& tensor : group.params())
      if (tensor.requires_grad()) held.insert(tensor.unsafeGetTensorImpl());
  for (const TrainedParameter& parameter : state_->clipper.parameters())
    if (held.erase(parameter.tensor.unsafeGetTensorImpl()) == 0)
      refuse("the optimizer does not hold parameter '" + parameter.name +
             "', which the engine trains: freeze it (requires_grad_(false)) before making the engine, or add "
             "it");
  if (!held.empty())
    refuse("the optimizer holds " + std::to_string(held.size()) +
           " parameters that are not trained by the engine: make both from one model");
  if (state_->options.processes) state_->join();
  state_->attached = true;
}

void PrivacyEngine::accumulate(int64_t k) {
  if (k < 1) refuse("accumulate: the number of pieces must be at least 1");
  if (state_->unused_pieces()) refuse("accumulate: the present draw is not finished");
  state_->pieces_per_draw = k;
}

Pieces PrivacyEngine::pieces(Rows rows, std::optional<int64_t> draws) {
  State& state = *state_;
  if (!state.attached)
    refuse("attach(optimizer) comes before loader(): it checks which parameters are trained");
  if (rows.count < 1) refuse("the data set has no rows");
  const auto [batch_size, sample_size] = std::pair(state.options.batch_size, state.options.sample_size);
  const int64_t count = draws.value_or(std::llround(sample_size / static_cast<double>(batch_size)));
  if (count < 0) refuse("the number of draws must not be negative");
  auto poisson = std::make_shared<const PoissonDraws>(
      state.options.processes ? state.own_draws(rows, count) : PoissonDraws(rows.count, rows.units));
  if (!state.options.ledger.empty())
    state.on_first("enter the run in the ledger", [&] { state.enter_in_ledger(rows); });
  state.latest = poisson;
  return Pieces(std::move(poisson), count * state.pieces_per_draw,
                [state_kept = state_](const std::shared_ptr<const PoissonDraws>& source, bool last) {
                  return state_kept->next_piece(source, last);
                });
}

bool PrivacyEngine::State::unused_pieces() const {
  return phase != Phase::kIdle || next < static_cast<int64_t>(pieces.size());
}

const DrawPiece* PrivacyEngine::State::next_piece(const std::shared_ptr<const PoissonDraws>& source,
                                                  bool last) {
  if (ended) throw Error(ErrorKind::kUnsupported, "the privacy engine of this loader no longer exists");
  const std::string name = "draw " + std::to_string(draw);
  if (phase != Phase::kIdle)
    throw Error(ErrorKind::kUnsupported,
                name +
                    " was handed out but not used: every batch, small ones too, goes through watch() and "
                    "backward() exactly once before the next");
  gradients.check();
  if (draw > 0) buffers.check();
  if (last || draw % kDrawsUnread == 0) buffers.settle();
  if (last) return nullptr;
  if (next == static_cast<int64_t>(pieces.size())) {
    if (options.processes && source != latest)  // another one might share out the units otherwise
      throw Error(ErrorKind::kUnsupported,
                  "with several processes only the loader that was made last can be drawn from");
    pieces = source->draw(sampling, static_cast<double>(options.batch_size) / options.sample_size,
                          pieces_per_draw);
    source_of_draw = source;
    next = 0;
    ++draw;
  } else if (source_of_draw != source) {
    throw Error(ErrorKind::kUnsupported,
                name +
                    " still has unused pieces with another loader: independent draws "
                    "are never summed into one release");
  }
  buffers.remember();
  forward_seen ? written.remember() : written.remember_contents();
  phase = Phase::kHandedOut;
  return &pieces[next++];
}

void PrivacyEngine::hand_in(int64_t rows) {
  State& state = *state_;
  if (!state.options.unaccounted)
    refuse("hand_in() is for engines that are unaccounted: others make their draws themselves (loader())");
  if (!state.attached)
    refuse("attach(optimizer) comes before hand_in(): it checks which parameters are trained");
  if (rows < 1) refuse("hand_in: a batch has at least 1 row");
  if (state.phase != Phase::kIdle)
    refuse("batch " + std::to_string(state.draw) +
           " was handed in but not used: watch() and backward() first");
  state.gradients.check();
  if (state.draw > 0) state.buffers.check();
  if (state.draw % kDrawsUnread == 0) state.buffers.settle();
  if (state.next == static_cast<int64_t>(state.pieces.size())) {
    state.pieces.assign(state.pieces_per_draw, {});
    state.next = 0;
    ++state.draw;
  }
  DrawPiece& piece = state.pieces[state.next++];
  piece.rows.resize(rows);
  std::iota(piece.rows.begin(), piece.rows.end(), int64_t{0});
  piece.unit_starts = piece.rows;
  state.buffers.remember();
  state.forward_seen ? state.written.remember() : state.written.remember_contents();
  state.phase = Phase::kHandedOut;
}

int64_t PrivacyEngine::handed_out() const {
  if (state_->phase != Phase::kHandedOut) return 0;
  return std::max<int64_t>(1, static_cast<int64_t>(state_->pieces[state_->next - 1].rows.size()));
}

bool PrivacyEngine::needs_model() const {
  const PrivacyOptions& options = state_->options;
  if (options.grad_mode == GradMode::kExactSlow) return true;
  const bool never_looked = options.check_first_batch && state_->rows_checked == 0;
  return never_looked || state_->to_be_checked(handed_out());
}

torch::Tensor PrivacyEngine::watch(const torch::Tensor& output) {
  const PrivacyOptions& options = state_->options;
  if (options.grad_mode == GradMode::kExactSlow)
    refuse("GradMode::kExactSlow runs the model on each unit: use watch(model, rows)");
  if (options.check_first_batch && state_->rows_checked == 0)
    refuse(
        "the first batch is to be checked, which an output alone does not allow: use watch(model, rows), "
        "call "
        "check() before, or set check_first_batch to false");
  return state_->cut({output});
}

torch::Tensor PrivacyEngine::watch_forward(const std::function<torch::Tensor(torch::Tensor)>& forward,
                                           const torch::Tensor& x) {
  State& state = *state_;
  if (state.phase != Phase::kHandedOut) return state.cut({});
  const DrawPiece& piece = state.pieces[state.next - 1];
  if (state.options.grad_mode == GradMode::kGraph) {
    if (state.to_be_checked(static_cast<int64_t>(piece.rows.size()))) state.check_forward(forward, x);
    return state.cut({forward(x)});
  }
  if (x.dim() == 0 || x.size(0) != std::max<int64_t>(1, static_cast<int64_t>(piece.rows.size())))
    refuse("watch(model, rows) needs the rows that were handed out");
  std::vector<at::Tensor> outputs;
  for (size_t unit = 0; unit < std::max<size_t>(1, piece.unit_starts.size()); ++unit) {
    const int64_t begin = piece.unit_starts.empty() ? 0 : piece.unit_starts[unit];
    const int64_t end = unit + 1 < piece.unit_starts.size() ? piece.unit_starts[unit + 1] : x.size(0);
    outputs.push_back(forward(x.slice(0, begin, end)));
  }
  return state.cut(std::move(outputs));
}

torch::Tensor PrivacyEngine::State::cut(std::vector<at::Tensor> outputs) {
  if (phase == Phase::kIdle)
    refuse(
        "watch() without an unused draw: each batch of loader() is watched once (use the model directly to "
        "evaluate)");
  if (phase == Phase::kWatched) refuse("draw " + std::to_string(draw) + " was already watched");
  const int64_t batch = options.batch_dimension;
  int64_t rows = 0;
  for (const at::Tensor& output : outputs) {
    if (!output.defined() || !output.requires_grad() || !output.grad_fn())
      throw Error(
          ErrorKind::kUnsupported,
          "the watched output has no graph: it was detached, computed under no_grad, or depends on no "
          "trained parameter");
    if (output.dim() > batch) rows += output.size(batch);
  }
  const int64_t expected = std::max<int64_t>(1, static_cast<int64_t>(pieces[next - 1].rows.size()));
  if (rows != expected)
    refuse("the watched output must have one row for each row of the batch that was handed out (" +
           std::to_string(expected) + "), in its dimension " + std::to_string(batch) + "; it has " +
           (rows == 0 ? "none" : std::to_string(rows)));
  buffers.check();
  written.check();
  if (!pieces[next - 1].rows.empty()) forward_seen = true;
  check_frozen();
  torch::Tensor cut =
      (outputs.size() == 1 ? outputs[0].detach() : at::cat(outputs, batch).detach()).requires_grad_();
  cut.register_hook([weak = weak_from_this(), graph = std::move(outputs),
                     used_ticket = ++ticket](const at::TensorBase& gradient) {
    const std::shared_ptr<State> engine = weak.lock();
    if (!engine || engine->ended)
      throw Error(ErrorKind::kUnsupported, "the privacy engine of this output no longer exists");
    const auto work = [&] { engine->backward(graph, at::Tensor(gradient), used_ticket); };
    engine->options.in_backward ? engine->options.in_backward(work) : work();
  });
  phase = Phase::kWatched;
  return cut;
}

void PrivacyEngine::State::check_frozen() const {
  for (const TrainedParameter& parameter : clipper.parameters())
    if (const auto type = parameter.tensor.scalar_type(); type != at::kFloat && type != at::kDouble)
      refuse("parameter '" + parameter.name +
             "' is neither float nor double any more: autocast keeps it so, and computes in 16 bits");
  for (const auto& parameter : model->named_parameters()) {
    const auto is_same = [&](const TrainedParameter& known) {
      return known.tensor.is_same(parameter.value());
    };
    const auto& trained = clipper.parameters();
    if (parameter.value().requires_grad() && std::none_of(trained.begin(), trained.end(), is_same))
      refuse("parameter '" + parameter.key() +
             "' was added or unfrozen after the engine was made: make a new engine");
  }
}

void PrivacyEngine::State::backward(const std::vector<at::Tensor>& outputs, const at::Tensor& gradient,
                                    int64_t used_ticket) {
  if (phase != Phase::kWatched || used_ticket != ticket)
    throw Error(ErrorKind::kUnsupported,
                "backward() ran twice through one watched output: each draw is used exactly once");
  ++ticket;  // one that fails midway has added some units already
  at::NoGradGuard no_grad;
  gradients.set({});  // those of the draw before, whose memory serves again
  const DrawPiece& piece = pieces[next - 1];
  if (!piece.rows.empty()) {
    const RawGradientGuard::Pause pause(raw_gradients);
    const bool mean = options.loss_reduction == Reduction::kMean;
    const at::Tensor of_sums = mean ? gradient * static_cast<double>(piece.rows.size()) : gradient;
    if (options.grad_mode == GradMode::kGraph) {
      clipper.add(outputs[0], of_sums, piece.unit_starts, weights);
    } else {
      int64_t begin = 0, unit = 0;
      for (const at::Tensor& output : outputs) {
        const int64_t rows = output.size(options.batch_dimension);
        add_unit(output, of_sums.slice(options.batch_dimension, begin, begin + rows),
                 weights.defined() ? weights[unit++].item<double>() : 1.0);
        begin += rows;
      }
    }
  }
  phase = Phase::kIdle;
  weights = at::Tensor();
  if (next == static_cast<int64_t>(pieces.size())) release();
}

void PrivacyEngine::State::add_unit(const at::Tensor& output, const at::Tensor& gradient, double weight) {
  check_all_reached(output, clipper.parameters());
  std::vector<at::Tensor> parameters;
  for (const TrainedParameter& parameter : clipper.parameters()) parameters.push_back(parameter.tensor);
  // What a checkpoint runs backward by itself goes past autograd::grad into .grad.
  std::vector<std::pair<at::Tensor, int64_t>> before;
  for (const at::Tensor& parameter : parameters) {
    const at::Tensor known = parameter.grad();
    before.emplace_back(known, known.defined() ? static_cast<int64_t>(known._version()) : 0);
  }
  const auto parts = torch::autograd::grad({output}, parameters, {gradient}, /*retain_graph=*/true,
                                           /*create_graph=*/false, /*allow_unused=*/true);
  for (size_t i = 0; i < parameters.size(); ++i) {
    const at::Tensor now = parameters[i].grad();
    const auto& [known, version] = before[i];
    if (now.defined() && !(now.is_same(known) && static_cast<int64_t>(now._version()) == version)) {
      gradients.set({});
      throw Error(ErrorKind::kUnsupported,
                  "the backward pass of a custom autograd function wrote the gradient of parameter '" +
                      clipper.parameters()[i].name +
                      "' by itself (a checkpoint?): give it the parameter, or run it without a checkpoint");
    }
  }
  clipper.add_unit(parts, weight);
}

void PrivacyEngine::weigh(const torch::Tensor& weights) {
  State& state = *state_;
  if (state.phase == Phase::kIdle) refuse("weigh() without a draw that was handed out");
  const DrawPiece& piece = state.pieces[state.next - 1];
  if (piece.rows.empty()) return;  // of nobody
  const auto units = static_cast<int64_t>(piece.unit_starts.size());
  if (!weights.defined() || weights.dim() != 1 || weights.size(0) != units)
    refuse("weigh() needs one number for each of the units that were handed out (" + std::to_string(units) +
           ")");
  const at::Tensor numbers = weights.detach().to(at::kDouble);
  if (!numbers.ge(0).logical_and(numbers.le(state.options.clipping.max_weight)).all().item<bool>())
    refuse("the weight of a unit must be from 0 to clipping.max_weight");
  state.weights = numbers;
}

void PrivacyEngine::State::release() {
  ClippedSum sum = clipper.take();
  const double noise_multiplier =
      adaptive_clip ? adaptive_clip->sum_noise_multiplier() : options.noise_multiplier;
  const int64_t step = steps + 1;
  if (options.processes) add_up(sum, step);
  const double count = adaptive_clip ? sum.count() : 0;
  std::vector<at::Tensor> released;
  double next_clip = clipper.max_grad_norm();
  on_first("charge or release step " + std::to_string(step), [&] {
    charge(step);
    const auto batch_size = static_cast<double>(options.batch_size);
    released = options.unaccounted && noise_multiplier == 0
                   ? without_noise(sum, batch_size, clipper.parameters())
                   : add_noise(std::move(sum), noise_multiplier, batch_size, clipper.parameters(), noise);
    if (adaptive_clip) next_clip = adaptive_clip->next(next_clip, count, noise);
  });
  if (options.processes) hand_round(released, next_clip);
  gradients.set(released);
  if (adaptive_clip) clipper.set_max_grad_norm(next_clip);
  settle_after(step);
}

void PrivacyEngine::before_step() const {
  if (state_->phase != Phase::kIdle)
    throw Error(ErrorKind::kUnsupported,
                "optimizer.step() before backward(): draw " + std::to_string(state_->draw) +
                    " was handed out, and its loss has not gone backward through the watched output");
  state_->gradients.check_step();
}

void PrivacyEngine::forfeit() {
  State& state = *state_;
  if (!state.unused_pieces()) return;
  if (state.options.processes)
    throw Error(ErrorKind::kUnsupported, "forfeit(): the other processes still count on this draw");
  const bool unwatched = state.phase == Phase::kHandedOut;
  state.charge(state.steps + 1);
  state.clipper.take();
  state.gradients.set({});
  state.pieces.clear();
  state.next = 0;
  state.weights = at::Tensor();
  state.phase = Phase::kIdle;
  state.settle_after(state.steps);
  if (unwatched) state.written.check();  // by a forward pass that failed: the next draw would not see it
}

Event PrivacyEngine::State::step_event() const {
  return Event::poisson_sampled(static_cast<double>(options.batch_size) / options.sample_size,
                                Event::gaussian(options.noise_multiplier));
}

double PrivacyEngine::epsilon(double delta) const {
  return tightest_epsilon(event(), state_->options.relation, delta).epsilon;
}

Event PrivacyEngine::event() const {
  if (state_->options.unaccounted)
    throw Error(ErrorKind::kUnsupported, "unaccounted: nothing was accounted for, so there is no epsilon");
  state_->buffers.settle();
  return Event::repeated(state_->step_event(), state_->steps);
}
int64_t PrivacyEngine::steps() const {
  return state_->steps;
}
double PrivacyEngine::max_grad_norm() const {
  return state_->clipper.max_grad_norm();
}
double PrivacyEngine::gradient_stddev() const {
  const auto& adaptive = state_->adaptive_clip;
  const double noise = adaptive ? adaptive->sum_noise_multiplier() : state_->options.noise_multiplier;
  return noise * state_->clipper.sensitivity() / static_cast<double>(state_->options.batch_size);
}
bool PrivacyEngine::is_private() const {
  return !state_->options.unaccounted && state_->noise.is_private() && state_->sampling.is_private();
}
const std::string& PrivacyEngine::ledger_run() const {
  return state_->ledger_run;
}
ClipCounts PrivacyEngine::counts() const {
  state_->buffers.settle();
  return state_->clipper.counts();
}

}  // namespace discreet
