// Lesson 5: an operation of your own, with a clip rule of your own.
//
// The engine refuses a parameter that enters an operation for which it has no rule, and names both. A rule
// says, from what the operation saved and the gradient of its output, what each sample's gradient is. Here:
// a layer of radial basis functions, exp(-|x - c|^2), whose centres c are trained. (For a first try without a
// rule there is GradMode::kExactSlow, which takes any model, one unit at a time.)
#include <torch/torch.h>

#include <iostream>

#include "discreet/dp/privacy_engine.h"
#include "discreet/dp/rules/row_gradients.h"

// x [rows, width], centres [k, width] -> [rows, k]
struct RadialBasis : torch::autograd::Function<RadialBasis> {
  static torch::Tensor forward(torch::autograd::AutogradContext* context, torch::Tensor x,
                               torch::Tensor centres) {
    const auto out = (x.unsqueeze(1) - centres).square().sum(2).neg().exp();
    context->save_for_backward({x, centres, out});
    return out;
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradient) {
    return {torch::Tensor(), for_each_row(context->get_saved_variables(), gradient[0]).sum(0)};
  }
  // [rows, k, width]: what each row adds to the gradient of the centres
  static torch::Tensor for_each_row(const torch::autograd::variable_list& saved, const torch::Tensor& g) {
    return 2 * (g * saved[2]).unsqueeze(2) * (saved[0].unsqueeze(1) - saved[1]);
  }
};

// ---- the rule
using RadialBasisNode = torch::autograd::CppNode<RadialBasis>;

std::string refusal(discreet::libtorch::Node& node, uint32_t, const discreet::Layout& layout) {
  return layout.leads(discreet::libtorch::output_shape(node), 1) ? ""
                                                                 : "the batch is not its first dimension";
}

std::unique_ptr<discreet::Gradients> gradients(discreet::libtorch::Node& node, uint32_t input,
                                               const torch::Tensor& g, const discreet::Layout& layout) {
  auto& context = dynamic_cast<RadialBasisNode&>(node).ctx_;
  const auto rows = RadialBasis::for_each_row(context.get_saved_variables(), g);
  const auto by_sample = layout.samples_first(rows, 2, g.sizes().vec(), 1).sum(1);  // all rows of each sample
  return std::make_unique<discreet::RowGradients>(by_sample.flatten(1),
                                                  discreet::libtorch::input_shape(node.next_edge(input)));
}
// ----

struct Net : torch::nn::Module {
  Net() {
    centres = register_parameter("centres", torch::randn({20, 2}));
    head = register_module("head", torch::nn::Linear(20, 2));
  }
  torch::Tensor forward(const torch::Tensor& x) { return head(RadialBasis::apply(x, centres)); }
  torch::Tensor centres;
  torch::nn::Linear head{nullptr};
};

// A ring round a disc.
struct Rings : torch::data::Dataset<Rings> {
  explicit Rings(int64_t points) : label(torch::randint(0, 2, {points}, torch::kLong)) {
    const auto angle = torch::rand({points}) * 2 * M_PI, radius = 0.7 * torch::rand({points}) + 1.0 * label;
    x = torch::stack({angle.cos() * radius, angle.sin() * radius}, 1);
  }
  torch::data::Example<> get(size_t i) override {
    return {x[static_cast<int64_t>(i)], label[static_cast<int64_t>(i)]};
  }
  torch::optional<size_t> size() const override { return x.size(0); }
  torch::Tensor label, x;
};

int main() {
  torch::manual_seed(1);  // the model's first weights; noise and draws have their own, secure generator
  Rings people(4000), others(1000);
  auto model = std::make_shared<Net>();
  torch::optim::Adam optimizer(model->parameters(), torch::optim::AdamOptions(0.05));
  const std::string operation = RadialBasisNode().name();
  discreet::PrivacyEngine engine(model, {.batch_size = 400,
                                         .sample_size = 4000,
                                         .noise_multiplier = 2.0,
                                         .max_grad_norm = 0.5,
                                         .loss_reduction = discreet::Reduction::kMean,
                                         .rules = {{"radial basis", operation.c_str(), refusal, gradients}}});
  engine.attach(optimizer);
  for (const auto& batch : engine.loader(people, 100)) {
    optimizer.zero_grad();
    torch::cross_entropy_loss(engine.watch(model, batch.data), batch.target).backward();
    optimizer.step();
  }
  const double right =
      model->forward(others.x).argmax(1).eq(others.label).to(torch::kFloat).mean().item<double>();
  std::cout << "accuracy on other points: " << right << ", epsilon " << engine.epsilon(1e-5)
            << " at delta 1e-5\n";
  return right > 0.8 ? 0 : 1;
}
