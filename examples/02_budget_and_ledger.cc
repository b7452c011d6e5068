// Lesson 2: plan the noise for a budget, and write every step into a ledger before it is released.
//
// Epsilon adds up over everything that is ever released about the same records. A ledger is the memory of
// that: it recognises the data set, knows its cap, and refuses the run that would pass it. It is charged
// first, so a crash can lose a step but never a charge.
#include <torch/torch.h>

#include <filesystem>
#include <iostream>

#include "discreet/accounting/calibrate.h"
#include "discreet/base/error.h"
#include "discreet/dp/privacy_engine.h"
#include "discreet/store/ledger.h"

using discreet::Relation;

// Numbers x with target 3 x - 1.
class Line : public torch::data::Dataset<Line> {
 public:
  torch::data::Example<> get(size_t i) override {
    const float x = static_cast<float>(i) / 500 - 1;
    return {torch::tensor({x}), torch::tensor({3 * x - 1})};
  }
  torch::optional<size_t> size() const override { return 1000; }
};

void train(const std::string& ledger, double epsilon) {
  constexpr int64_t kSteps = 50, kBatch = 100;
  constexpr double kRecords = 1000, kDelta = 1e-5;
  // The least noise that keeps all 50 steps together within the budget.
  const double noise = discreet::calibrate_noise_multiplier(
      {.epsilon = epsilon, .delta = kDelta, .relation = Relation::kAddOrRemoveOne}, kBatch / kRecords,
      kSteps);
  auto model = std::make_shared<torch::nn::LinearImpl>(1, 1);
  torch::optim::Adam optimizer(model->parameters(), 0.1);
  discreet::PrivacyEngine engine(model, {.batch_size = kBatch,
                                         .sample_size = kRecords,
                                         .noise_multiplier = noise,
                                         .loss_reduction = discreet::Reduction::kSum,
                                         .ledger = ledger,
                                         .ledger_dataset = "line",
                                         .ledger_steps = kSteps,
                                         .ledger_delta = kDelta});
  engine.attach(optimizer);
  Line line;
  for (const auto& batch : engine.loader(line, kSteps)) {
    optimizer.zero_grad();
    const auto output = engine.watch(model, batch.data);
    torch::mse_loss(output, batch.target, torch::Reduction::Sum).backward();
    optimizer.step();
  }
  std::cout << "trained with noise multiplier " << noise << ": y = " << model->weight.item<float>() << " x + "
            << model->bias.item<float>() << "\n";
}

int main() {
  const auto folder = std::filesystem::temp_directory_path() / "discreet_example_02";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  const std::string path = folder / "ledger.db";

  // At most epsilon 5 on this data set, by all runs together, whatever they are chosen from.
  discreet::Ledger::open(path).set_cap("line", 5.0, 1e-4, Relation::kAddOrRemoveOne, "row");

  bool refused = false;
  for (int run = 1; run <= 20 && !refused; ++run) {
    try {
      train(path, 2.0);
    } catch (const discreet::Error& error) {  // the data set is recognised, nothing is released
      refused = error.kind() == discreet::ErrorKind::kBudgetExhausted;
      std::cout << "run " << run << ": " << error.what() << "\n";
    }
  }

  // Together they cost less than their epsilons added up.
  const auto dataset = discreet::Ledger::open(path).dataset("line");
  std::cout << "in the ledger: '" << dataset.name << "', " << dataset.runs.size()
            << " runs of epsilon 2 within " << dataset.cap()->epsilon << "\n";
  std::filesystem::remove_all(folder);
  return refused && dataset.runs.size() > 2 ? 0 : 1;
}
