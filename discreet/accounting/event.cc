#include "discreet/accounting/event.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <string>

#include "discreet/base/error.h"
#include "discreet/base/text.h"

namespace discreet {

struct Event::Node {
  Kind kind;
  double number = 0;  // noise_multiplier, scale, epsilon or sample_rate
  double second = 0;  // sensitivity or delta
  int64_t count = 0;  // categories, batch_size or count
  int64_t of = 0;     // sample_size
  std::optional<Trials> trials = {};
  std::vector<Event> events = {};
  int depth = 1;
  int64_t size = 1;  // events in the tree
};

namespace {

constexpr int64_t kMaxCount = int64_t{1} << 53;

[[noreturn]] void refuse(const std::string& what) {
  throw Error(ErrorKind::kInvalidArgument, what);
}

void check(const std::string& name, double value, double low, double high, const char* range) {
  if (!(value >= low && value <= high))
    refuse(name + " must be in " + range + ", not " + format_number(value));
}

void check_count(const std::string& name, int64_t value, int64_t low, int64_t high,
                 const std::string& range) {
  if (value < low || value > high) refuse(name + " must be in " + range + ", not " + std::to_string(value));
}

void check_multiplier(double noise_multiplier) {
  check("noise_multiplier", noise_multiplier, 1e-6, 1e9, "[1e-6, 1e9]");
}

void check_delta(double delta) {
  if (!(delta >= 0 && delta < 1))
    refuse("the delta of an event must be in [0, 1), not " + format_number(delta));
}

}  // namespace

std::string_view to_string(Event::Kind kind) {
  switch (kind) {
    case Event::Kind::kGaussian: return "gaussian";
    case Event::Kind::kDiscreteGaussian: return "discrete_gaussian";
    case Event::Kind::kMatrixGaussian: return "matrix_gaussian";
    case Event::Kind::kLaplace: return "laplace";
    case Event::Kind::kDiscreteLaplace: return "discrete_laplace";
    case Event::Kind::kRandomizedResponse: return "randomized_response";
    case Event::Kind::kExponentialMechanism: return "exponential_mechanism";
    case Event::Kind::kEpsilonDelta: return "epsilon_delta";
    case Event::Kind::kPoissonSampled: return "poisson_sampled";
    case Event::Kind::kFixedSizeSampled: return "fixed_size_sampled";
    case Event::Kind::kThresholdedSelection: return "thresholded_selection";
    case Event::Kind::kRepeatAndSelect: return "repeat_and_select";
    case Event::Kind::kRepeated: return "repeated";
    case Event::Kind::kComposed: return "composed";
  }
  std::abort();
}

Event Event::make(Node node) {
  for (const Event& event : node.events) {
    node.depth = std::max(node.depth, event.node_->depth + 1);
    node.size += event.node_->size;
  }
  if (node.depth > kMaxDepth) refuse("event: nested deeper than " + std::to_string(kMaxDepth) + " levels");
  if (node.size > kMaxEvents) refuse("event: more than " + std::to_string(kMaxEvents) + " events in one");
  return Event(std::make_shared<const Node>(std::move(node)));
}

Event Event::gaussian(double noise_multiplier) {
  check_multiplier(noise_multiplier);
  return make({.kind = Kind::kGaussian, .number = noise_multiplier});
}

Event Event::discrete_gaussian(double noise_multiplier) {
  check_multiplier(noise_multiplier);
  return make({.kind = Kind::kDiscreteGaussian, .number = noise_multiplier});
}

Event Event::matrix_gaussian(double noise_multiplier, double sensitivity) {
  check("sensitivity", sensitivity, 1e-6, 1e9, "[1e-6, 1e9]");
  check("noise_multiplier / sensitivity", noise_multiplier / sensitivity, 1e-6, 1e9, "[1e-6, 1e9]");
  return make({.kind = Kind::kMatrixGaussian, .number = noise_multiplier, .second = sensitivity});
}

Event Event::laplace(double noise_multiplier) {
  check_multiplier(noise_multiplier);
  return make({.kind = Kind::kLaplace, .number = noise_multiplier});
}

Event Event::discrete_laplace(double scale, int64_t sensitivity) {
  check_count("sensitivity", sensitivity, 1, 1000, "[1, 1000]");
  check("scale / sensitivity", scale / static_cast<double>(sensitivity), 1e-6, 1e9, "[1e-6, 1e9]");
  return make({.kind = Kind::kDiscreteLaplace, .number = scale, .second = static_cast<double>(sensitivity)});
}

Event Event::randomized_response(double epsilon, int64_t categories) {
  check("the epsilon of a randomized_response", epsilon, 1e-9, 1000, "[1e-9, 1000]");
  check_count("categories", categories, 2, kMaxCount, "[2, 2^53]");
  return make({.kind = Kind::kRandomizedResponse, .number = epsilon, .count = categories});
}

Event Event::exponential_mechanism(double epsilon) {
  check("the epsilon of an exponential_mechanism", epsilon, 1e-9, 1000, "[1e-9, 1000]");
  return make({.kind = Kind::kExponentialMechanism, .number = epsilon});
}

Event Event::epsilon_delta(double epsilon, double delta) {
  if (!(epsilon >= 0 && std::isfinite(epsilon))) {
    refuse("the epsilon of an event must be finite and at least 0, not " + format_number(epsilon));
  }
  check_delta(delta);
  return make({.kind = Kind::kEpsilonDelta, .number = epsilon, .second = delta});
}

Event Event::poisson_sampled(double sample_rate, Event event) {
  check("sample_rate", sample_rate, 0, 1, "[0, 1]");
  return make({.kind = Kind::kPoissonSampled, .number = sample_rate, .events = {std::move(event)}});
}

Event Event::fixed_size_sampled(int64_t batch_size, int64_t sample_size, Event event) {
  check_count("sample_size", sample_size, 1, kMaxCount, "[1, 2^53]");
  check_count("batch_size", batch_size, 0, sample_size, "[0, sample_size]");
  return make({.kind = Kind::kFixedSizeSampled,
               .count = batch_size,
               .of = sample_size,
               .events = {std::move(event)}});
}

Event Event::thresholded_selection(Event event, double delta) {
  check_delta(delta);
  return make({.kind = Kind::kThresholdedSelection, .second = delta, .events = {std::move(event)}});
}

Event Event::repeat_and_select(Event event, Trials trials) {
  return make({.kind = Kind::kRepeatAndSelect, .trials = trials, .events = {std::move(event)}});
}

Event Event::repeated(Event event, int64_t count) {
  check_count("the count of a repeated event", count, 0, kMaxCount, "[0, 2^53]");
  return make({.kind = Kind::kRepeated, .count = count, .events = {std::move(event)}});
}

Event Event::composed(std::vector<Event> events) {
  return make({.kind = Kind::kComposed, .events = std::move(events)});
}

Event::Kind Event::kind() const {
  return node_->kind;
}

double Event::noise_multiplier() const {
  assert(kind() == Kind::kGaussian || kind() == Kind::kDiscreteGaussian || kind() == Kind::kMatrixGaussian ||
         kind() == Kind::kLaplace);
  return node_->number;
}

double Event::scale() const {
  assert(kind() == Kind::kDiscreteLaplace);
  return node_->number;
}

double Event::sensitivity() const {
  assert(kind() == Kind::kMatrixGaussian || kind() == Kind::kDiscreteLaplace);
  return node_->second;
}

double Event::epsilon() const {
  assert(kind() == Kind::kRandomizedResponse || kind() == Kind::kExponentialMechanism ||
         kind() == Kind::kEpsilonDelta);
  return node_->number;
}

double Event::delta() const {
  assert(kind() == Kind::kEpsilonDelta || kind() == Kind::kThresholdedSelection);
  return node_->second;
}

int64_t Event::categories() const {
  assert(kind() == Kind::kRandomizedResponse);
  return node_->count;
}

double Event::sample_rate() const {
  assert(kind() == Kind::kPoissonSampled);
  return node_->number;
}

int64_t Event::batch_size() const {
  assert(kind() == Kind::kFixedSizeSampled);
  return node_->count;
}

int64_t Event::sample_size() const {
  assert(kind() == Kind::kFixedSizeSampled);
  return node_->of;
}

const Trials& Event::trials() const {
  assert(kind() == Kind::kRepeatAndSelect);
  return *node_->trials;
}

int64_t Event::count() const {
  assert(kind() == Kind::kRepeated);
  return node_->count;
}

const std::vector<Event>& Event::events() const {
  return node_->events;
}

bool Event::operator==(const Event& other) const {
  const Node &a = *node_, &b = *other.node_;
  return &a == &b || (a.kind == b.kind && a.number == b.number && a.second == b.second &&
                      a.count == b.count && a.of == b.of && a.trials == b.trials && a.events == b.events);
}

}  // namespace discreet
