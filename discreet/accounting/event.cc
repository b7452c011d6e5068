#include "discreet/accounting/event.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstdlib>
#include <string>

#include "discreet/base/error.h"
#include "discreet/base/text.h"

namespace discreet {

struct Event::Node {
  Kind kind;
  double number = 0;  // noise_multiplier, sample_rate or epsilon
  double delta = 0;
  int64_t count = 0;
  std::vector<Event> events;
  int depth = 1;
  int64_t size = 1;  // events in the tree
};

namespace {

constexpr double kMinMultiplier = 1e-6, kMaxMultiplier = 1e9;
constexpr int64_t kMaxCount = int64_t{1} << 53;

[[noreturn]] void refuse(const std::string& what) {
  throw Error(ErrorKind::kInvalidArgument, what);
}

double check_multiplier(double noise_multiplier) {
  if (!(noise_multiplier >= kMinMultiplier && noise_multiplier <= kMaxMultiplier)) {
    refuse("noise_multiplier must be in [1e-6, 1e9], not " + format_number(noise_multiplier));
  }
  return noise_multiplier;
}

const Json& field(const Json& json, const char* key) {
  const auto found = json.find(key);
  if (found == json.end()) refuse(std::string("event: \"") + key + "\" is missing");
  return *found;
}

double number(const Json& json, const char* key) {
  const Json& value = field(json, key);
  if (!value.is_number()) refuse(std::string("event: \"") + key + "\" must be a number");
  return value.get<double>();
}

int64_t integer(const Json& json, const char* key) {
  const Json& value = field(json, key);
  if (!value.is_number_integer()) refuse(std::string("event: \"") + key + "\" must be a whole number");
  if (value.is_number_unsigned() && value.get<uint64_t>() > static_cast<uint64_t>(kMaxCount)) {
    refuse(std::string("event: \"") + key + "\" must be in [0, 2^53]");
  }
  return value.get<int64_t>();
}

// Every event has "kind" and exactly `keys` beside it.
void allow_only(const Json& json, std::initializer_list<const char*> keys) {
  for (const char* key : keys) field(json, key);
  if (json.size() != keys.size() + 1) {
    std::string allowed = "\"kind\"";
    for (const char* key : keys) allowed += std::string(", \"") + key + "\"";
    refuse("event: a \"" + json["kind"].get<std::string>() + "\" has only " + allowed);
  }
}

}  // namespace

std::string_view to_string(Event::Kind kind) {
  switch (kind) {
    case Event::Kind::kGaussian: return "gaussian";
    case Event::Kind::kDiscreteGaussian: return "discrete_gaussian";
    case Event::Kind::kPoissonSampled: return "poisson_sampled";
    case Event::Kind::kRepeated: return "repeated";
    case Event::Kind::kComposed: return "composed";
    case Event::Kind::kEpsilonDelta: return "epsilon_delta";
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
  return make({Kind::kGaussian, check_multiplier(noise_multiplier), 0, 0, {}});
}

Event Event::discrete_gaussian(double noise_multiplier) {
  return make({Kind::kDiscreteGaussian, check_multiplier(noise_multiplier), 0, 0, {}});
}

Event Event::poisson_sampled(double sample_rate, Event event) {
  if (!(sample_rate >= 0 && sample_rate <= 1)) {
    refuse("sample_rate must be in [0, 1], not " + format_number(sample_rate));
  }
  return make({Kind::kPoissonSampled, sample_rate, 0, 0, {std::move(event)}});
}

Event Event::repeated(Event event, int64_t count) {
  if (count < 0 || count > kMaxCount) {
    refuse("the count of a repeated event must be in [0, 2^53], not " + std::to_string(count));
  }
  return make({Kind::kRepeated, 0, 0, count, {std::move(event)}});
}

Event Event::composed(std::vector<Event> events) {
  return make({Kind::kComposed, 0, 0, 0, std::move(events)});
}

Event Event::epsilon_delta(double epsilon, double delta) {
  if (!(epsilon >= 0 && std::isfinite(epsilon))) {
    refuse("the epsilon of an event must be finite and at least 0, not " + format_number(epsilon));
  }
  if (!(delta >= 0 && delta < 1)) {
    refuse("the delta of an event must be in [0, 1), not " + format_number(delta));
  }
  return make({Kind::kEpsilonDelta, epsilon, delta, 0, {}});
}

Event::Kind Event::kind() const {
  return node_->kind;
}

double Event::noise_multiplier() const {
  assert(kind() == Kind::kGaussian || kind() == Kind::kDiscreteGaussian);
  return node_->number;
}

double Event::sample_rate() const {
  assert(kind() == Kind::kPoissonSampled);
  return node_->number;
}

int64_t Event::count() const {
  assert(kind() == Kind::kRepeated);
  return node_->count;
}

double Event::epsilon() const {
  assert(kind() == Kind::kEpsilonDelta);
  return node_->number;
}

double Event::delta() const {
  assert(kind() == Kind::kEpsilonDelta);
  return node_->delta;
}

const std::vector<Event>& Event::events() const {
  return node_->events;
}

bool Event::operator==(const Event& other) const {
  return node_ == other.node_ || (node_->kind == other.node_->kind && node_->number == other.node_->number &&
                                  node_->delta == other.node_->delta && node_->count == other.node_->count &&
                                  node_->events == other.node_->events);
}

Json Event::to_json() const {
  Json json = {{"kind", to_string(kind())}};
  switch (kind()) {
    case Kind::kGaussian:
    case Kind::kDiscreteGaussian: json["noise_multiplier"] = noise_multiplier(); break;
    case Kind::kPoissonSampled:
      json["sample_rate"] = sample_rate();
      json["event"] = events()[0].to_json();
      break;
    case Kind::kRepeated:
      json["count"] = count();
      json["event"] = events()[0].to_json();
      break;
    case Kind::kComposed:
      json["events"] = Json::array();
      for (const Event& event : events()) json["events"].push_back(event.to_json());
      break;
    case Kind::kEpsilonDelta:
      json["epsilon"] = epsilon();
      json["delta"] = delta();
      break;
  }
  return json;
}

Event Event::from_json(const Json& json) {
  return parse(json, 1);
}

Event Event::parse(const Json& json, int depth) {
  if (depth > kMaxDepth) refuse("event: nested deeper than " + std::to_string(kMaxDepth) + " levels");
  if (!json.is_object()) refuse("event: must be an object with a \"kind\"");
  const Json& kind = field(json, "kind");
  if (!kind.is_string()) refuse("event: \"kind\" must be text");
  const auto& name = kind.get_ref<const std::string&>();
  if (name == "gaussian" || name == "discrete_gaussian") {
    allow_only(json, {"noise_multiplier"});
    const double multiplier = number(json, "noise_multiplier");
    return name == "gaussian" ? gaussian(multiplier) : discrete_gaussian(multiplier);
  }
  if (name == "poisson_sampled") {
    allow_only(json, {"sample_rate", "event"});
    return poisson_sampled(number(json, "sample_rate"), parse(json["event"], depth + 1));
  }
  if (name == "repeated") {
    allow_only(json, {"count", "event"});
    return repeated(parse(json["event"], depth + 1), integer(json, "count"));
  }
  if (name == "composed") {
    allow_only(json, {"events"});
    const Json& list = json["events"];
    if (!list.is_array()) refuse("event: \"events\" must be a list");
    std::vector<Event> events;
    for (const Json& part : list) events.push_back(parse(part, depth + 1));
    return composed(std::move(events));
  }
  if (name == "epsilon_delta") {
    allow_only(json, {"epsilon", "delta"});
    return epsilon_delta(number(json, "epsilon"), number(json, "delta"));
  }
  refuse(
      "event: unknown kind; known are gaussian, discrete_gaussian, poisson_sampled, repeated, composed, "
      "epsilon_delta");
}

}  // namespace discreet
