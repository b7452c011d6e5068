// What was released, as data: an immutable tree that the mechanism writes and the accountant reads.
//
//   gaussian              a vector sum plus Gaussian noise; one unit adds a vector of norm at most C, and
//                         noise_multiplier = sigma / C (the same number under every relation)
//   discrete_gaussian     a vector of integers plus independent discrete Gaussian noise (Canonne, Kamath,
//                         Steinke 2020); noise_multiplier = stddev / C as above
//   poisson_sampled       each unit takes part with probability sample_rate, independently, then `event`
//   repeated, composed    one after another, each may depend on the results before it
//   epsilon_delta         any (epsilon, delta)-private release under the relation in question
//
// In JSON: {"kind": "poisson_sampled", "sample_rate": 0.01, "event": {"kind": "gaussian", ...}} and so on,
// the keys being the argument names; "repeated" has "count" and "event", "composed" has "events".
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "discreet/base/json.h"

namespace discreet {

class Event {
 public:
  enum class Kind { kGaussian, kDiscreteGaussian, kPoissonSampled, kRepeated, kComposed, kEpsilonDelta };

  // Every factory throws kInvalidArgument with the field and its range, or for a tree deeper than kMaxDepth
  // or with more than kMaxEvents events (a certificate comes from anybody, and each costs its verifier time).
  static Event gaussian(double noise_multiplier);                 // [1e-6, 1e9]
  static Event discrete_gaussian(double noise_multiplier);        // [1e-6, 1e9]
  static Event poisson_sampled(double sample_rate, Event event);  // [0, 1]
  static Event repeated(Event event, int64_t count);              // [0, 2^53]
  static Event composed(std::vector<Event> events);               // none: nothing was released
  static Event epsilon_delta(double epsilon, double delta);       // epsilon >= 0 and finite, delta in [0, 1)

  Kind kind() const;
  double noise_multiplier() const;           // gaussian, discrete_gaussian
  double sample_rate() const;                // poisson_sampled
  int64_t count() const;                     // repeated
  double epsilon() const;                    // epsilon_delta
  double delta() const;                      // epsilon_delta
  const std::vector<Event>& events() const;  // poisson_sampled and repeated: one; composed: any number

  bool operator==(const Event& other) const;

  Json to_json() const;
  // kInvalidArgument for anything that to_json cannot have written: an unknown kind or key, a missing key, a
  // wrong type, a number out of range, a tree too deep or too large.
  static Event from_json(const Json& json);
  static constexpr int kMaxDepth = 32;
  static constexpr int64_t kMaxEvents = 10000;

 private:
  struct Node;
  explicit Event(std::shared_ptr<const Node> node) : node_(std::move(node)) {}
  static Event make(Node node);
  static Event parse(const Json& json, int depth);
  std::shared_ptr<const Node> node_;
};

std::string_view to_string(Event::Kind kind);

}  // namespace discreet
