// IDX files (yann.lecun.com/exdb/mnist: "the IDX file format"), plain or gzip: big-endian header, unsigned
// bytes.
//
//   images: 00 00 08 03 | uint32 count | uint32 height | uint32 width | count * height * width bytes
//   labels: 00 00 08 01 | uint32 count | count bytes
#pragma once

#include <filesystem>
#include <optional>

#include "discreet/data/image_dataset.h"

namespace discreet {

// Gray images [N, 1, H, W]; label names are "0" to "255", whatever labels occur. Without `labels` no image
// has one. kDataLoss: another magic number, a file shorter or longer than its header says, images and labels
// of different number, no images, sides of 0 or above kMaxImageSide, damaged gzip; file errors as read_file.
ImageDataset read_idx(const std::filesystem::path& images,
                      const std::optional<std::filesystem::path>& labels);

// Where a folder's parts are: train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-..., also with .gz at
// the end or a dot for the dash before idx.
struct IdxPaths {
  std::filesystem::path images;
  std::optional<std::filesystem::path> labels;
};
std::optional<IdxPaths> find_idx(const std::filesystem::path& folder,
                                 const std::string& part);  // "train", "t10k"

// The labels file that belongs to an images file by its name ("images" -> "labels", "idx3" -> "idx1"), if it
// exists.
std::optional<std::filesystem::path> labels_beside(const std::filesystem::path& images);

}  // namespace discreet
