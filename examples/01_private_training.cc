// Lesson 1: private training is your own loop with one changed line.
//
// The model is a plain torch::nn module, the optimizer a plain torch::optim one. A PrivacyEngine draws the
// batches (each record takes part by chance), bounds what any one record can do to a step (clipping), and
// adds noise that hides it. Here: 4,000 made-up points in two classes.
#include <torch/torch.h>

#include <iostream>

#include "discreet/dp/privacy_engine.h"

// A data set as torch::data knows them: get() and size().
class TwoMoons : public torch::data::Dataset<TwoMoons> {
 public:
  explicit TwoMoons(int64_t points) {
    const auto angle = torch::rand({points}) * M_PI;
    label_ = torch::randint(0, 2, {points}, torch::kLong);
    const auto side = 1 - 2 * label_;
    x_ = torch::stack({angle.cos() + 0.5 * label_, side * angle.sin() + 0.3 * label_}, 1);
    x_ += 0.1 * torch::randn_like(x_);
  }
  torch::data::Example<> get(size_t i) override {
    return {x_[static_cast<int64_t>(i)], label_[static_cast<int64_t>(i)]};
  }
  torch::optional<size_t> size() const override { return x_.size(0); }
  const torch::Tensor& points() const { return x_; }
  const torch::Tensor& labels() const { return label_; }

 private:
  torch::Tensor x_, label_;
};

int main() {
  torch::manual_seed(1);  // the model's first weights; noise and draws have their own, secure generator
  TwoMoons people(4000), others(1000);

  auto model = std::make_shared<torch::nn::SequentialImpl>(torch::nn::Linear(2, 32), torch::nn::Tanh(),
                                                           torch::nn::Linear(32, 2));
  torch::optim::SGD optimizer(model->parameters(), torch::optim::SGDOptions(2.0).momentum(0.9));

  discreet::PrivacyEngine engine(model, {.batch_size = 400,
                                         .sample_size = 4000,  // declared: the true number may be private too
                                         .noise_multiplier = 2.0,
                                         .max_grad_norm = 0.5,
                                         .loss_reduction = discreet::Reduction::kMean});
  engine.attach(optimizer);

  for (int epoch = 0; epoch < 10; ++epoch) {
    for (const auto& batch : engine.loader(people)) {
      optimizer.zero_grad();
      auto output = engine.watch(model, batch.data);  // was: model->forward(batch.data)
      auto loss = torch::nn::functional::cross_entropy(output, batch.target);
      loss.backward();   // ends in the engine, which sets noised gradients
      optimizer.step();  // as ever
    }
  }

  torch::NoGradGuard no_grad;
  const auto guess = model->forward(others.points()).argmax(1);
  const double accuracy = guess.eq(others.labels()).to(torch::kFloat).mean().item<double>();
  std::cout << "accuracy on other points: " << accuracy << "\n";
  std::cout << "privacy of each record:   epsilon " << engine.epsilon(1e-5)
            << " at delta 1e-5, this run alone\n";
  return accuracy > 0.8 ? 0 : 1;
}
