#include "discreet/data/image_dataset.h"

#include <algorithm>

#include "discreet/base/error.h"

namespace discreet {

ImageDataset::ImageDataset(torch::Tensor pixels, std::vector<int64_t> labels,
                           std::vector<std::string> label_names)
    : pixels_(std::move(pixels)), labels_(std::move(labels)), label_names_(std::move(label_names)) {
  const auto names = static_cast<int64_t>(label_names_.size());
  const bool fits =
      pixels_.dim() == 4 && pixels_.dtype() == torch::kUInt8 &&
      (labels_.empty() || static_cast<int64_t>(labels_.size()) == pixels_.size(0)) &&
      std::all_of(labels_.begin(), labels_.end(), [&](int64_t l) { return l >= -1 && l < names; });
  if (!fits)
    throw Error(ErrorKind::kInvalidArgument, "images: pixels uint8 [N, C, H, W] and a label each are needed");
  pixels_ = pixels_.contiguous();
  targets_ = torch::full({pixels_.size(0)}, -1, torch::kInt64);
}

torch::Tensor ImageDataset::features(torch::Tensor rows) const {
  return pixels_.index_select(0, rows).to(torch::kFloat32).div_(255);
}

std::vector<int64_t> ImageDataset::shape() const {
  return {pixels_.size(1), pixels_.size(2), pixels_.size(3)};
}

void ImageDataset::select_classes(const std::vector<std::string>& classes) {
  std::vector<int64_t> index(label_names_.size(), -1);
  for (size_t i = 0; i < classes.size(); ++i) {
    const auto found = std::find(label_names_.begin(), label_names_.end(), classes[i]);
    if (found == label_names_.end()) {
      throw Error(ErrorKind::kInvalidArgument, "classes: no image can have the label '" + classes[i] + "'");
    }
    index[static_cast<size_t>(found - label_names_.begin())] = static_cast<int64_t>(i);
  }
  targets_ = torch::full({size()}, -1, torch::kInt64);
  int64_t* target = targets_.data_ptr<int64_t>();
  for (size_t i = 0; i < labels_.size(); ++i) {
    if (labels_[i] >= 0) target[i] = index[static_cast<size_t>(labels_[i])];
  }
}

ImageDataset ImageDataset::select(const std::vector<int64_t>& rows) const {
  std::vector<int64_t> labels;
  for (int64_t row : rows) {
    if (!labels_.empty()) labels.push_back(labels_.at(static_cast<size_t>(row)));
  }
  return {pixels_.index_select(0, torch::tensor(rows, torch::kInt64)), std::move(labels), label_names_};
}

void ImageDataset::for_each_record(const std::function<void(std::string_view bytes)>& visit) const {
  const auto image_bytes = static_cast<size_t>(pixels_.size(1) * pixels_.size(2) * pixels_.size(3));
  const auto* pixels = reinterpret_cast<const char*>(pixels_.data_ptr<uint8_t>());
  std::string bytes;
  for (size_t i = 0; i < static_cast<size_t>(size()); ++i) {
    bytes.clear();
    if (!labels_.empty() && labels_[i] >= 0) bytes += label_names_[static_cast<size_t>(labels_[i])];
    bytes += '\0';
    bytes.append(pixels + i * image_bytes, image_bytes);
    visit(bytes);
  }
}

}  // namespace discreet
