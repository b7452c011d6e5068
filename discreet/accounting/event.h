// What was released, as data: an immutable tree that the mechanism writes and the accountant reads. Which
// accountant takes which event under which relation: docs/accounting.md.
//
// One release. C is the most that one unit adds to what is released; noise is relative to C under every
// relation, though under replace-one neighbours differ by up to 2 C.
//   gaussian              a vector sum plus Gaussian noise, C in the L2 norm; noise_multiplier = sigma / C
//   discrete_gaussian     a vector of integers plus independent discrete Gaussian noise (Canonne, Kamath,
//                         Steinke 2020); noise_multiplier = stddev / C as above
//   matrix_gaussian       what a unit adds enters several noised values: a tree of partial sums, a factorised
//                         matrix. All together they move by sensitivity * C in the L2 norm, and
//                         noise_multiplier = sigma / C. A tree of which only full nodes are released and
//                         where each unit takes part in one of n steps: sqrt(floor(log2 n) + 1).
//   laplace               a vector sum plus independent Laplace noise, C in the L1 norm; noise_multiplier =
//                         scale / C
//   discrete_laplace      a vector of integers plus independent noise, Pr[k] in proportion to e^(-|k| /
//                         scale); one unit changes them by at most `sensitivity`, an integer, in the L1 norm
//   randomized_response   one of `categories` values of a unit's own, told truly with probability e^epsilon /
//                         (e^epsilon + categories - 1), else another one, each as likely (Warner 1965;
//                         Kairouz, Oh, Viswanath 2014)
//   exponential_mechanism chooses r with probability in proportion to e^(epsilon u(r) / 2), or e^(epsilon
//                         u(r)) where a unit moves all utilities the same way; a unit changes each utility
//                         u(r) by at most 1 (McSherry and Talwar 2007)
//   epsilon_delta         any (epsilon, delta)-private release under the relation in question
//
// Releases made of others.
//   poisson_sampled       each unit takes part with probability sample_rate, independently, then `event`
//   fixed_size_sampled    of sample_size units, a public number, batch_size take part, each choice of them as
//                         likely, then `event`
//   thresholded_selection counts noised by `event`, of which only those above a threshold are released, with
//                         their names: what one unit alone counts in passes with probability at most `delta`
//   repeat_and_select     `event` is run a random number of times (trials.h), each run by itself, and only
//                         the best result is released, by an order that the results alone decide
//   repeated, composed    one after another, each may depend on the results before it
//
// In JSON: {"kind": "poisson_sampled", "sample_rate": 0.01, "event": {"kind": "gaussian", ...}} and so on,
// the keys being the argument names; "repeated" has "count" and "event", "composed" has "events",
// "repeat_and_select" has "distribution" ("poisson" with "mean", "negative_binomial" with "eta" and "gamma").
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "discreet/accounting/trials.h"
#include "discreet/base/json.h"

namespace discreet {

class Event {
 public:
  enum class Kind {
    kGaussian,
    kDiscreteGaussian,
    kMatrixGaussian,
    kLaplace,
    kDiscreteLaplace,
    kRandomizedResponse,
    kExponentialMechanism,
    kEpsilonDelta,
    kPoissonSampled,
    kFixedSizeSampled,
    kThresholdedSelection,
    kRepeatAndSelect,
    kRepeated,
    kComposed,
  };

  // Every factory throws kInvalidArgument with the field and its range, or for a tree deeper than kMaxDepth
  // or with more than kMaxEvents events (a certificate comes from anybody, and each costs its verifier time).
  static Event gaussian(double noise_multiplier);           // [1e-6, 1e9]
  static Event discrete_gaussian(double noise_multiplier);  // [1e-6, 1e9]
  // sensitivity [1e-6, 1e9], noise_multiplier / sensitivity [1e-6, 1e9]
  static Event matrix_gaussian(double noise_multiplier, double sensitivity);
  static Event laplace(double noise_multiplier);  // [1e-6, 1e9]
  // sensitivity [1, 1000], scale / sensitivity [1e-6, 1e9]
  static Event discrete_laplace(double scale, int64_t sensitivity);
  // epsilon [1e-9, 1000], categories [2, 2^53]
  static Event randomized_response(double epsilon, int64_t categories);
  static Event exponential_mechanism(double epsilon);             // [1e-9, 1000]
  static Event epsilon_delta(double epsilon, double delta);       // epsilon >= 0 and finite, delta in [0, 1)
  static Event poisson_sampled(double sample_rate, Event event);  // [0, 1]
  // sample_size [1, 2^53], batch_size [0, sample_size]
  static Event fixed_size_sampled(int64_t batch_size, int64_t sample_size, Event event);
  static Event thresholded_selection(Event event, double delta);  // [0, 1)
  static Event repeat_and_select(Event event, Trials trials);
  static Event repeated(Event event, int64_t count);  // [0, 2^53]
  static Event composed(std::vector<Event> events);   // none: nothing was released

  Kind kind() const;
  double noise_multiplier() const;           // gaussian, discrete_gaussian, matrix_gaussian, laplace
  double scale() const;                      // discrete_laplace
  double sensitivity() const;                // matrix_gaussian, discrete_laplace (a whole number)
  double epsilon() const;                    // randomized_response, exponential_mechanism, epsilon_delta
  double delta() const;                      // epsilon_delta, thresholded_selection
  int64_t categories() const;                // randomized_response
  double sample_rate() const;                // poisson_sampled
  int64_t batch_size() const;                // fixed_size_sampled
  int64_t sample_size() const;               // fixed_size_sampled
  const Trials& trials() const;              // repeat_and_select
  int64_t count() const;                     // repeated
  const std::vector<Event>& events() const;  // composed: any number; made of another one: that one; else none

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
  std::shared_ptr<const Node> node_;
};

std::string_view to_string(Event::Kind kind);

}  // namespace discreet
