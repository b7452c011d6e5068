// Events as JSON (event.h).
#include <cstdint>
#include <initializer_list>
#include <string>

#include "discreet/accounting/event.h"
#include "discreet/base/error.h"

namespace discreet {
namespace {

constexpr uint64_t kMaxCount = uint64_t{1} << 53;

[[noreturn]] void refuse(const std::string& what) {
  throw Error(ErrorKind::kInvalidArgument, what);
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
  if (value.is_number_unsigned() && value.get<uint64_t>() > kMaxCount)
    refuse(std::string("event: \"") + key + "\" must be at most 2^53");
  return value.get<int64_t>();
}

const std::string& text(const Json& json, const char* key) {
  const Json& value = field(json, key);
  if (!value.is_string()) refuse(std::string("event: \"") + key + "\" must be text");
  return value.get_ref<const std::string&>();
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

Event parse(const Json& json, int depth);

Event parse_repeat_and_select(const Json& json, int depth) {
  const std::string& distribution = text(json, "distribution");
  if (distribution == "poisson") {
    allow_only(json, {"distribution", "mean", "event"});
    return Event::repeat_and_select(parse(json["event"], depth + 1), Trials::poisson(number(json, "mean")));
  }
  if (distribution == "negative_binomial") {
    allow_only(json, {"distribution", "eta", "gamma", "event"});
    return Event::repeat_and_select(parse(json["event"], depth + 1),
                                    Trials::negative_binomial(number(json, "eta"), number(json, "gamma")));
  }
  refuse("event: \"distribution\" must be \"poisson\" or \"negative_binomial\"");
}

Event parse(const Json& json, int depth) {
  if (depth > Event::kMaxDepth)
    refuse("event: nested deeper than " + std::to_string(Event::kMaxDepth) + " levels");
  if (!json.is_object()) refuse("event: must be an object with a \"kind\"");
  const std::string& kind = text(json, "kind");
  const auto inner = [&] { return parse(json["event"], depth + 1); };
  if (kind == "gaussian" || kind == "discrete_gaussian" || kind == "laplace") {
    allow_only(json, {"noise_multiplier"});
    const double multiplier = number(json, "noise_multiplier");
    if (kind == "laplace") return Event::laplace(multiplier);
    return kind == "gaussian" ? Event::gaussian(multiplier) : Event::discrete_gaussian(multiplier);
  }
  if (kind == "matrix_gaussian") {
    allow_only(json, {"noise_multiplier", "sensitivity"});
    return Event::matrix_gaussian(number(json, "noise_multiplier"), number(json, "sensitivity"));
  }
  if (kind == "discrete_laplace") {
    allow_only(json, {"scale", "sensitivity"});
    return Event::discrete_laplace(number(json, "scale"), integer(json, "sensitivity"));
  }
  if (kind == "randomized_response") {
    allow_only(json, {"epsilon", "categories"});
    return Event::randomized_response(number(json, "epsilon"), integer(json, "categories"));
  }
  if (kind == "exponential_mechanism") {
    allow_only(json, {"epsilon"});
    return Event::exponential_mechanism(number(json, "epsilon"));
  }
  if (kind == "epsilon_delta") {
    allow_only(json, {"epsilon", "delta"});
    return Event::epsilon_delta(number(json, "epsilon"), number(json, "delta"));
  }
  if (kind == "poisson_sampled") {
    allow_only(json, {"sample_rate", "event"});
    return Event::poisson_sampled(number(json, "sample_rate"), inner());
  }
  if (kind == "fixed_size_sampled") {
    allow_only(json, {"batch_size", "sample_size", "event"});
    return Event::fixed_size_sampled(integer(json, "batch_size"), integer(json, "sample_size"), inner());
  }
  if (kind == "thresholded_selection") {
    allow_only(json, {"delta", "event"});
    return Event::thresholded_selection(inner(), number(json, "delta"));
  }
  if (kind == "repeat_and_select") return parse_repeat_and_select(json, depth);
  if (kind == "repeated") {
    allow_only(json, {"count", "event"});
    return Event::repeated(inner(), integer(json, "count"));
  }
  if (kind == "composed") {
    allow_only(json, {"events"});
    const Json& list = json["events"];
    if (!list.is_array()) refuse("event: \"events\" must be a list");
    std::vector<Event> events;
    for (const Json& part : list) events.push_back(parse(part, depth + 1));
    return Event::composed(std::move(events));
  }
  refuse(
      "event: unknown kind; known are gaussian, discrete_gaussian, matrix_gaussian, laplace, "
      "discrete_laplace, randomized_response, exponential_mechanism, epsilon_delta, poisson_sampled, "
      "fixed_size_sampled, thresholded_selection, repeat_and_select, repeated, composed");
}

}  // namespace

Json Event::to_json() const {
  Json json = {{"kind", to_string(kind())}};
  switch (kind()) {
    case Kind::kGaussian:
    case Kind::kDiscreteGaussian:
    case Kind::kLaplace: json["noise_multiplier"] = noise_multiplier(); break;
    case Kind::kMatrixGaussian:
      json["noise_multiplier"] = noise_multiplier();
      json["sensitivity"] = sensitivity();
      break;
    case Kind::kDiscreteLaplace:
      json["scale"] = scale();
      json["sensitivity"] = static_cast<int64_t>(sensitivity());
      break;
    case Kind::kRandomizedResponse:
      json["epsilon"] = epsilon();
      json["categories"] = categories();
      break;
    case Kind::kExponentialMechanism: json["epsilon"] = epsilon(); break;
    case Kind::kEpsilonDelta:
      json["epsilon"] = epsilon();
      json["delta"] = delta();
      break;
    case Kind::kPoissonSampled: json["sample_rate"] = sample_rate(); break;
    case Kind::kFixedSizeSampled:
      json["batch_size"] = batch_size();
      json["sample_size"] = sample_size();
      break;
    case Kind::kThresholdedSelection: json["delta"] = delta(); break;
    case Kind::kRepeatAndSelect:
      if (trials().distribution() == Trials::Distribution::kPoisson) {
        json["distribution"] = "poisson";
        json["mean"] = trials().mean();
      } else {
        json["distribution"] = "negative_binomial";
        json["eta"] = trials().eta();
        json["gamma"] = trials().gamma();
      }
      break;
    case Kind::kRepeated: json["count"] = count(); break;
    case Kind::kComposed:
      json["events"] = Json::array();
      for (const Event& event : events()) json["events"].push_back(event.to_json());
      return json;
  }
  if (!events().empty()) json["event"] = events()[0].to_json();
  return json;
}

Event Event::from_json(const Json& json) {
  return parse(json, 1);
}

}  // namespace discreet
