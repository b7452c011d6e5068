// Images of one size with a label each, one byte a pixel in memory.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "discreet/data/dataset.h"

namespace discreet {

// The largest image side and the largest decoded data set that is read; refused before any allocation.
inline constexpr int64_t kMaxImageSide = 4096;
inline constexpr int64_t kMaxImageBytes = int64_t{16} << 30;

class ImageDataset : public Dataset {
 public:
  // pixels uint8 [N, C, H, W], C 1 (gray) or 3 (RGB); labels[i] an index into label_names, or -1 for none;
  // empty labels: no image has one. kInvalidArgument where the numbers do not fit together.
  ImageDataset(torch::Tensor pixels, std::vector<int64_t> labels, std::vector<std::string> label_names);

  int64_t size() const override { return pixels_.size(0); }
  torch::Tensor features(torch::Tensor rows) const override;  // [B, C, H, W], pixel / 255
  std::vector<int64_t> shape() const;                         // {C, H, W}

  // All labels that the format allows or that folders have: not the classes, which are declared or released.
  const std::vector<std::string>& label_names() const { return label_names_; }
  const std::vector<int64_t>& labels() const { return labels_; }  // empty: no image has a label

  // Where each image was read from, in words; empty where images have no files of their own. Private.
  const std::vector<std::string>& files() const { return files_; }
  void name_files(std::vector<std::string> files) { files_ = std::move(files); }

  // The order of the model's outputs; images with another label get target -1. Until then all targets are -1.
  // kInvalidArgument, with the nearest name, for a class that is not a label name.
  void select_classes(const std::vector<std::string>& classes);

  // The data set of these rows, in this order; classes have to be selected again, files are not named.
  ImageDataset select(const std::vector<int64_t>& rows) const;

  // Calls `visit` with the canonical bytes of each image: label, a zero byte, pixels. For recognising a data
  // set.
  void for_each_record(const std::function<void(std::string_view bytes)>& visit) const;

 private:
  torch::Tensor pixels_;
  std::vector<int64_t> labels_;
  std::vector<std::string> label_names_, files_;
};

}  // namespace discreet
