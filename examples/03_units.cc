// Lesson 3: protect a person, not a row.
//
// Where one person has many rows, hiding one row hides nobody. Name each row's unit: a person's rows are
// drawn together and clipped as one, and everything counts people instead of rows. The same example splits a
// large draw into pieces that fit memory, and asks check() whether model and loss can be trusted.
#include <torch/torch.h>

#include <iostream>

#include "discreet/dp/privacy_engine.h"

// 300 people; person i has 1 to 20 visits, each with 5 measurements, and an outcome.
class Visits : public torch::data::Dataset<Visits> {
 public:
  Visits() {
    const auto truth = torch::tensor({1.0f, -2.0f, 0.5f, 0.0f, 1.5f});
    for (int64_t person = 0; person < 300; ++person)
      for (int64_t visit = 0; visit <= person % 20; ++visit) person_.push_back(person);
    x_ = torch::randn({static_cast<int64_t>(person_.size()), 5});
    y_ = (x_.mv(truth) > 0).to(torch::kLong);
  }
  torch::data::Example<> get(size_t i) override {
    return {x_[static_cast<int64_t>(i)], y_[static_cast<int64_t>(i)]};
  }
  torch::optional<size_t> size() const override { return person_.size(); }

  std::vector<int64_t> person_;  // of each visit
  torch::Tensor x_, y_;
};

int main() {
  torch::manual_seed(3);
  Visits visits;
  auto model = std::make_shared<torch::nn::LinearImpl>(5, 2);
  torch::optim::SGD optimizer(model->parameters(), 1.0);
  discreet::PrivacyEngine engine(model, {.batch_size = 60,    // people, not visits
                                         .sample_size = 300,  // people
                                         .noise_multiplier = 2.0,
                                         .max_grad_norm = 1.0,
                                         .loss_reduction = discreet::Reduction::kMean});
  engine.attach(optimizer);
  engine.accumulate(4);  // each draw comes in 4 batches; the step happens after the last

  // A mean weighted by class is no mean of per-sample losses. check() finds that before it costs anything.
  const auto forward = [&](torch::Tensor x) { return model->forward(x); };
  const auto first = torch::indexing::Slice(0, 32);
  try {
    engine.check(
        forward,
        [](torch::Tensor output, torch::Tensor target) {
          return torch::cross_entropy_loss(output, target, torch::tensor({0.2f, 0.8f}));
        },
        visits.x_.index({first}), visits.y_.index({first}));
    return 1;
  } catch (const std::exception& error) {
    std::cout << "weighted loss: " << error.what() << "\n\n";
  }
  const auto loss = [](torch::Tensor output, torch::Tensor target) {
    return torch::cross_entropy_loss(output, target);
  };
  engine.check(forward, loss, visits.x_.index({first}), visits.y_.index({first}));

  for (int epoch = 0; epoch < 8; ++epoch) {
    for (const auto& batch : engine.loader(visits, {}, visits.person_)) {
      optimizer.zero_grad();
      loss(engine.watch(model, batch.data), batch.target).backward();
      optimizer.step();  // does nothing until the draw is complete
    }
  }
  torch::NoGradGuard no_grad;
  const auto guess = model->forward(visits.x_).argmax(1);
  std::cout << "releases: " << engine.steps() << ", accuracy (for the owner's eyes): "
            << guess.eq(visits.y_).to(torch::kFloat).mean().item<double>() << "\n";
  std::cout << "privacy of each person, all visits together: epsilon " << engine.epsilon(1e-5)
            << " at delta 1e-5\n";
  return engine.steps() == 40 ? 0 : 1;
}
