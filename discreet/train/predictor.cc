#include "discreet/train/predictor.h"

#include <algorithm>

#include "discreet/base/error.h"
#include "discreet/data/encoder.h"
#include "discreet/data/open.h"
#include "discreet/evaluate/outputs.h"
#include "discreet/model/model_file.h"
#include "discreet/model/safetensors.h"
#include "discreet/package/package.h"

namespace discreet {
namespace {

// Records without anything that training would need: features by row number.
class Unlabelled : public Dataset {
 public:
  Unlabelled(int64_t rows, std::function<torch::Tensor(const torch::Tensor&)> features)
      : rows_(rows), features_(std::move(features)) {}
  int64_t size() const override { return rows_; }
  torch::Tensor features(torch::Tensor rows) const override { return features_(rows); }

 private:
  int64_t rows_;
  std::function<torch::Tensor(const torch::Tensor&)> features_;
};

[[noreturn]] void refuse_kind(const std::string& data, const std::string& wanted) {
  throw Error(ErrorKind::kInvalidArgument, data + ": the package's model takes " + wanted);
}

std::string words(const std::vector<int64_t>& shape) {
  std::string text;
  for (const int64_t side : shape) text += (text.empty() ? "" : " x ") + std::to_string(side);
  return text;
}

}  // namespace

int64_t Predictions::best(int64_t row) const {
  return values[row].argmax().item<int64_t>();
}

Predictor::Predictor(const std::filesystem::path& package) {
  const ModelFile model = ModelFile::read(read_package_file(package, "model.json"));
  preprocessing_ = model.preprocessing;
  classes_ = model.outputs;
  network_ = std::make_shared<Network>(model.architecture);
  network_->eval();
  const NamedTensors weights = load_safetensors(read_package_file(package, "weights.safetensors"));
  torch::NoGradGuard no_grad;
  for (auto& item : network_->named_parameters()) {
    const auto found = std::find_if(weights.begin(), weights.end(),
                                    [&](const auto& weight) { return weight.first == item.key(); });
    if (found == weights.end() || found->second.sizes() != item.value().sizes()) {
      throw Error(ErrorKind::kDataLoss,
                  package.string() + "/weights.safetensors: does not fit model.json at " + item.key());
    }
    item.value().copy_(found->second);
  }
}

Predictions Predictor::predict(const std::string& data, const TableOptions& options) const {
  const OpenedData opened = open_data(data, options);
  const auto forward = [&](const torch::Tensor& features) {
    return network_->forward(network_->fixed_features(features));
  };
  const auto run = [&](const Dataset& records) {
    return outputs(records, torch::arange(records.size()), forward, 512);
  };
  Predictions predictions;
  predictions.classes = classes_;
  if (preprocessing_.at("kind") == "table") {
    if (!opened.table) refuse_kind(data, "a table");
    const TableEncoder encoder(TableSchema::from_json(preprocessing_.at("schema")));
    const EncodedTable encoded = encoder.encode(*opened.table);
    const Unlabelled records(encoded.rows(),
                             [&](const torch::Tensor& rows) { return encoder.features(encoded, rows); });
    predictions.values = run(records);
    if (classes_.empty()) {
      for (int64_t row = 0; row < predictions.values.size(0); ++row) {
        predictions.values[row][0] = encoder.target_value(predictions.values[row][0].item<double>());
      }
    }
  } else {
    const auto shape = preprocessing_.at("shape").get<std::vector<int64_t>>();
    if (opened.table) refuse_kind(data, "images of " + words(shape));
    const ImageDataset& images = opened.test ? *opened.test : *opened.train;
    if (images.shape() != shape)
      refuse_kind(data, "images of " + words(shape) + ", not of " + words(images.shape()));
    predictions.values = run(images);
    predictions.files = images.files();
  }
  if (!classes_.empty()) predictions.values = torch::softmax(predictions.values, 1);
  return predictions;
}

}  // namespace discreet
