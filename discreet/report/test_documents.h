// Documents and pages that the tests of this room share.
#pragma once

#include <cmath>
#include <string>

#include "discreet/accounting/rdp.h"
#include "discreet/base/json.h"
#include "discreet/package/certificate.h"
#include "discreet/report/card.h"
#include "discreet/report/owner_page.h"

namespace discreet::testing_documents {

// A certificate that adds up: every epsilon is computed from its event.
inline Certificate certificate(Relation relation = Relation::kAddOrRemoveOne,
                               double noise_multiplier = 1.2109375) {
  const double sample_rate = 0.034133333333333335;
  Certificate certificate;
  Phase statistics;
  statistics.name = "statistics";
  statistics.event = Event::discrete_gaussian(17.25);
  statistics.delta = 1e-6;
  statistics.epsilon = rdp_epsilon(statistics.event, relation, statistics.delta);
  Phase training;
  training.name = "training";
  training.event =
      Event::repeated(Event::poisson_sampled(sample_rate, Event::gaussian(noise_multiplier)), 1172);
  training.delta = 9e-6;
  training.epsilon = rdp_epsilon(training.event, relation, training.delta);
  training.sample_rate = sample_rate;
  training.noise_multiplier = noise_multiplier;
  training.steps = 1172;
  training.steps_lost = 0;
  training.max_grad_norm = 1;
  training.normaliser = 2048;
  certificate.phases = {statistics, training};
  certificate.guarantee.relation = relation;
  certificate.guarantee.epsilon = statistics.epsilon + training.epsilon;
  certificate.guarantee.delta = statistics.delta + training.delta;
  certificate.facts = {
      {"number of records", "private", "a count with discrete Gaussian noise of standard deviation 24.4"},
      {"classes", "declared", "ten names from the data set's public description"},
      {"image size", "independent", "every image is scaled to 28 by 28"},
      {"preprocessing", "independent", "fixed wavelet scattering without statistics of the data"}};
  certificate.mechanism = {
      "Poisson: each unit is drawn independently with the stated probability, by exact integer arithmetic",
      "the gradient of each unit, over all parameters together, is scaled to an L2 norm of at most the clip",
      "Gaussian, correctly rounded to a lattice about 2^-10 deviations wide that does not depend on the data",
      "ChaCha20, keyed by the operating system",
      "the release is a rounding of the exact mechanism's output, so that its low bits tell nothing"};
  certificate.not_proven = {"that the machine which trained the model ran this program unchanged"};
  certificate.ledger = {"2f9c", "9d1c"};
  certificate.software = {{"discreet", "0.1.0"}, {"libtorch", "1.13.1"}};
  return certificate;
}

inline Json card(const Certificate& certificate) {
  CardFacts facts;
  facts.name = "Garments in greyscale";
  facts.task = "classification";
  facts.model = {{"architecture", "scatter-cnn", "independent"}, {"parameters", 52874, "independent"}};
  facts.data_set = {
      {"number of records", 60013, "private"},
      {"classes",
       {"T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot"},
       "declared"}};
  return make_card(facts, Json{{"model", {{"intended_use", "Sorting photographs of garments by kind."}}}},
                   certificate);
}

inline OwnerFacts owner_facts() {
  OwnerFacts facts;
  facts.name = "Garments in greyscale";
  facts.epsilon = 2.9978;
  facts.delta = 1e-5;
  facts.relation = "add-or-remove-one";
  facts.training_records = 60000;
  facts.test_records = 10000;
  facts.test_origin = "the data set’s own test part";
  facts.training_seconds = 241;
  facts.figures = {{"Accuracy", 0.8934, true, "share of test records named rightly"},
                   {"Log loss", 0.3312, false, "natural logarithm; smaller is better"},
                   {"Calibration error", 0.0213, true, "15 bins; 0 is honest confidence"}};
  for (int step = 0; step <= 1172; step += 58) {
    const double fall = 2.3 * std::exp(-step / 140.0);
    facts.training_loss.push_back({double(step), 0.29 + fall + 0.015 * std::sin(step)});
    facts.test_loss.push_back({double(step), 0.33 + fall});
  }
  const char* names[] = {"T-shirt", "trouser", "pullover", "dress", "coat",
                         "sandal",  "shirt",   "sneaker",  "bag",   "boot"};
  for (int i = 0; i < 10; ++i) {
    facts.classes.push_back({names[i], 6000, 1000, 0.80 + 0.017 * i, 0.83 + 0.014 * i});
    std::vector<int64_t> line(10, 0);
    line[i] = 880 + 3 * i;
    line[(i + 3) % 10] = 70 - 2 * i;
    line[(i + 6) % 10] = 1000 - line[i] - line[(i + 3) % 10];
    facts.confusion.push_back(line);
  }
  for (int i = 0; i < 10; ++i) {
    ExampleImage image{names[i], names[i == 6 ? 0 : i], 0.62 + 0.037 * i, 28, 28, 1, {}};
    for (int y = 0; y < 28; ++y) {
      for (int x = 0; x < 28; ++x) {
        const double wave = std::sin((x - 14) * (0.1 + 0.04 * i)) * std::cos((y - 14) * (0.3 - 0.02 * i));
        image.pixels.push_back(static_cast<uint8_t>(127 + 120 * wave));
      }
    }
    facts.images.push_back(image);
  }
  facts.warnings = {
      "column “ref” repeats the same values in many rows: if it names a person, use --unit ref"};
  return facts;
}

}  // namespace discreet::testing_documents
