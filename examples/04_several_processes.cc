// Lesson 4: several processes train one model.
//
//   torchrun --no-python --nproc_per_node 2 build/example_04_several_processes
//
// or, without torchrun, one command for each process (here on one machine, and all at the same time):
//
//   export MASTER_ADDR=127.0.0.1 MASTER_PORT=29500 WORLD_SIZE=2
//   RANK=0 build/example_04_several_processes & RANK=1 build/example_04_several_processes; wait
//
// The program is that of lesson 1 but for two options. Batch size, noise and epsilon are those of the whole:
// two processes share the work of one mechanism, with its noise added once. Started alone it is one process
// of one.
#include <torch/torch.h>

#include <cstdlib>
#include <iostream>

#include "discreet/base/error.h"
#include "discreet/dp/privacy_engine.h"
#include "discreet/dp/process_group.h"

class Points : public torch::data::Dataset<Points> {
 public:
  explicit Points(int64_t rows) : x_(torch::randn({rows, 5})), y_((x_.sum(1) > 0).to(torch::kLong)) {}
  torch::data::Example<> get(size_t i) override {
    return {x_[static_cast<int64_t>(i)], y_[static_cast<int64_t>(i)]};
  }
  torch::optional<size_t> size() const override { return x_.size(0); }

 private:
  torch::Tensor x_, y_;
};

int main() {
  std::shared_ptr<discreet::Processes> processes;
  if (std::getenv("WORLD_SIZE")) {
    try {
      processes = discreet::connect_processes(discreet::Rendezvous::from_environment());
    } catch (const discreet::Error& error) {
      std::cerr << error.what() << "\n";
      return discreet::exit_code(error.kind());
    }
  }
  torch::manual_seed(4);
  Points points(1000);  // the same on every process, which shares out its units
  auto model = std::make_shared<torch::nn::LinearImpl>(5, 2);
  torch::optim::SGD optimizer(model->parameters(), 1.0);
  discreet::PrivacyEngine engine(model, {.batch_size = 100,
                                         .sample_size = 1000,
                                         .noise_multiplier = 1.0,
                                         .max_grad_norm = 1.0,
                                         .loss_reduction = discreet::Reduction::kMean,
                                         .processes = processes,
                                         .placement = discreet::Placement::kWholeOnEach});
  engine.attach(optimizer);
  for (const auto& batch : engine.loader(points, 20)) {
    optimizer.zero_grad();
    torch::cross_entropy_loss(engine.watch(model, batch.data), batch.target).backward();
    optimizer.step();  // the same released gradient on every process
  }
  if (!processes || processes->rank() == 0)
    std::cout << "processes: " << (processes ? processes->size() : 1) << ", releases: " << engine.steps()
              << ", epsilon " << engine.epsilon(1e-5) << " at delta 1e-5\n";
  return engine.steps() == 20 ? 0 : 1;
}
