// For this room's tests: a certificate whose numbers are right, a package around it, a home of its own.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "discreet/accounting/pld.h"
#include "discreet/accounting/rdp.h"
#include "discreet/base/error.h"
#include "discreet/package/certificate.h"

namespace discreet::testing_package {

inline Certificate right_certificate() {
  Certificate certificate;
  Phase statistics;
  statistics.name = "statistics";
  statistics.attempts = 2;
  statistics.event = Event::composed({Event::discrete_gaussian(20), Event::epsilon_delta(0, 1e-7)});
  statistics.delta = 1e-6;
  statistics.epsilon = rdp_epsilon(statistics.event, Relation::kAddOrRemoveOne, statistics.delta);
  Phase training;
  training.name = "training";
  training.event = Event::repeated(Event::poisson_sampled(0.01, Event::gaussian(1.1)), 300);
  training.delta = 8e-6;
  const PldBounds bounds = pld_epsilon(training.event, Relation::kAddOrRemoveOne, training.delta);
  training.accountant = Accountant::kPld;
  training.epsilon = bounds.upper;
  training.epsilon_lower = bounds.lower;
  training.sample_rate = 0.01;
  training.noise_multiplier = 1.1;
  training.steps = 300;
  training.steps_lost = 4;
  training.clipping = ClippingMode::kFlat;
  training.max_grad_norm = 1;
  training.normaliser = 256;
  certificate.guarantee.epsilon = 2 * statistics.epsilon + training.epsilon;
  certificate.guarantee.delta = 2 * statistics.delta + training.delta;
  certificate.phases = {statistics, training};
  certificate.facts = {{"number of records", "private", "released with noise"}};
  certificate.mechanism = {"Poisson", "per unit", "lattice Gaussian", "ChaCha20", "correctly rounded"};
  certificate.not_proven = {"Timing is not hidden."};
  certificate.ledger = {"r1", "00"};
  certificate.software = {{"discreet", "0.1.0"}};
  return certificate;
}

// A folder that goes away, which is also the user's data folder while it lives.
class Home {
 public:
  Home() {
    std::string name = std::filesystem::temp_directory_path() / "discreet-package-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
    path_ = name;
    ::setenv("DISCREET_HOME", (path_ / "home").c_str(), 1);
  }
  ~Home() {
    ::unsetenv("DISCREET_HOME");
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Home(const Home&) = delete;
  Home& operator=(const Home&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// The Error that `work` throws; its message must be one line.
template <typename Work>
std::optional<Error> error_of(Work&& work) {
  try {
    work();
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    return error;
  }
  return std::nullopt;
}

template <typename Work>
std::optional<ErrorKind> kind_of(Work&& work) {
  const auto error = error_of(work);
  return error ? std::optional(error->kind()) : std::nullopt;
}

}  // namespace discreet::testing_package
