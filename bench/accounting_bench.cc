// Our side of bench/accounting.py: one JSON line for each plan of the list, times in milliseconds.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <iostream>
#include <vector>

#include "discreet/accounting/calibrate.h"
#include "discreet/accounting/pld.h"
#include "discreet/base/json.h"

namespace {

using discreet::Event;
using discreet::Json;
using discreet::Relation;

double median_ms(int repeats, const std::function<void()>& work) {
  std::vector<double> times;
  for (int i = 0; i < repeats; ++i) {
    const auto start = std::chrono::steady_clock::now();
    work();
    times.push_back(
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
  }
  std::nth_element(times.begin(), times.begin() + repeats / 2, times.end());
  return times[static_cast<size_t>(repeats / 2)];
}

}  // namespace

// Arguments: sample_rate noise_multiplier steps delta, four a plan.
int main(int count, char** arguments) {
  for (int i = 1; i + 3 < count; i += 4) {
    const double rate = std::stod(arguments[i]), noise = std::stod(arguments[i + 1]),
                 delta = std::stod(arguments[i + 3]);
    const int64_t steps = std::stoll(arguments[i + 2]);
    const Event plan = Event::repeated(Event::poisson_sampled(rate, Event::gaussian(noise)), steps);
    discreet::PldBounds bounds;
    const double epsilon_ms =
        median_ms(21, [&] { bounds = discreet::pld_epsilon(plan, Relation::kAddOrRemoveOne, delta); });
    // delta at 100 values of epsilon, from 0 to twice the plan's.
    const double curve_ms = median_ms(21, [&] {
      discreet::PldCurve curve(plan, Relation::kAddOrRemoveOne);
      for (int k = 0; k < 100; ++k) curve.delta(bounds.upper * k / 50);
    });
    double calibrated = 0;
    const double calibrate_ms = median_ms(5, [&] {
      calibrated = discreet::calibrate_noise_multiplier(
          {bounds.upper, delta, Relation::kAddOrRemoveOne, discreet::Accountant::kPld}, rate, steps);
    });
    std::cout << Json{{"epsilon_ms", epsilon_ms},     {"upper", bounds.upper},
                      {"lower", bounds.lower},        {"curve_ms", curve_ms},
                      {"calibrate_ms", calibrate_ms}, {"noise_multiplier", calibrated}}
                     .dump()
              << "\n";
  }
}
