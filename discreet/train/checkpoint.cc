#include "discreet/train/checkpoint.h"

#include <sstream>

#include "discreet/base/error.h"

namespace discreet {
namespace {

std::string key(const char* kind, size_t i) {
  return std::string(kind) + std::to_string(i);
}

[[noreturn]] void damaged() {
  throw Error(ErrorKind::kDataLoss,
              "checkpoint.pt: is damaged or of another model; the run cannot be resumed");
}

}  // namespace

std::string save_checkpoint(const std::vector<torch::Tensor>& weights,
                            const torch::optim::Optimizer& optimizer, const TailAverage& average,
                            const Counters& counters) {
  torch::serialize::OutputArchive archive;
  for (size_t i = 0; i < weights.size(); ++i) archive.write(key("weight", i), weights[i].detach());
  for (size_t i = 0; i < average.sums().size(); ++i) archive.write(key("sum", i), average.sums()[i]);
  archive.write("counters", torch::tensor({counters.position, counters.lost, average.count(),
                                           static_cast<int64_t>(average.sums().size())}));
  if (counters.next_clip) archive.write("next_clip", torch::tensor(*counters.next_clip, torch::kFloat64));
  archive.write("loss_curve", torch::tensor(counters.loss_curve, torch::kFloat64));
  torch::serialize::OutputArchive state(archive.compilation_unit());
  optimizer.save(state);
  archive.write("optimizer", state);
  std::ostringstream bytes;
  archive.save_to(bytes);
  return bytes.str();
}

void load_checkpoint(const std::string& bytes, const std::vector<torch::Tensor>& weights,
                     torch::optim::Optimizer& optimizer, TailAverage& average, Counters& counters) {
  torch::NoGradGuard no_grad;
  try {
    torch::serialize::InputArchive archive;
    std::istringstream stream(bytes);
    archive.load_from(stream);
    torch::Tensor numbers, curve, clip;
    archive.read("counters", numbers);
    archive.read("loss_curve", curve);
    if (numbers.numel() != 4) damaged();
    const auto* number = numbers.data_ptr<int64_t>();
    counters.position = number[0];
    counters.lost = number[1];
    counters.next_clip =
        archive.try_read("next_clip", clip) ? std::optional(clip.item<double>()) : std::nullopt;
    counters.loss_curve.assign(curve.data_ptr<double>(), curve.data_ptr<double>() + curve.numel());
    for (size_t i = 0; i < weights.size(); ++i) {
      torch::Tensor saved, weight = weights[i];
      archive.read(key("weight", i), saved);
      if (saved.sizes() != weight.sizes()) damaged();
      weight.copy_(saved);
    }
    std::vector<torch::Tensor> sums(static_cast<size_t>(number[3]));
    for (size_t i = 0; i < sums.size(); ++i) archive.read(key("sum", i), sums[i]);
    average.restore(std::move(sums), number[2]);
    torch::serialize::InputArchive state;
    archive.read("optimizer", state);
    optimizer.load(state);
  } catch (const c10::Error&) {
    damaged();
  }
}

}  // namespace discreet
