#include "discreet/data/image_folder.h"

#include <algorithm>
#include <optional>

#include "discreet/base/error.h"
#include "discreet/base/file.h"
#include "discreet/data/image_file.h"

namespace discreet {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> entries(const fs::path& folder) {
  std::vector<fs::path> out;
  std::error_code code;
  fs::directory_iterator iterator(folder, code);
  if (code) throw file_error(code.value(), "cannot read", folder);
  for (const auto& entry : iterator) {
    if (!entry.path().filename().string().starts_with(".")) out.push_back(entry.path());
  }
  std::sort(out.begin(), out.end(),
            [](const auto& a, const auto& b) { return a.filename().string() < b.filename().string(); });
  return out;
}

struct Listing {
  std::vector<fs::path> files;
  std::vector<int64_t> labels;  // of each file; empty where the folder has no sub-folders
  std::vector<std::string> names;
};

Listing list(const fs::path& folder) {
  Listing listing;
  std::optional<fs::path> loose;
  for (const auto& entry : entries(folder)) {
    if (!fs::is_directory(entry)) {
      loose = entry;
      continue;
    }
    for (const auto& file : entries(entry)) {
      if (fs::is_directory(file)) {
        throw Error(ErrorKind::kInvalidArgument, file.string() + ": a folder where only images are expected");
      }
      listing.files.push_back(file);
      listing.labels.push_back(static_cast<int64_t>(listing.names.size()));
    }
    listing.names.push_back(entry.filename().string());
  }
  if (loose && !listing.names.empty()) {
    throw Error(ErrorKind::kInvalidArgument, loose->string() +
                                                 ": a file beside the sub-folders of the labels; every "
                                                 "image must be in the sub-folder of its label");
  }
  if (loose) listing.files = entries(folder);
  if (listing.files.empty()) {
    throw Error(ErrorKind::kInvalidArgument,
                folder.string() + ": no images; a sub-folder a class with PNG or JPEG files is expected");
  }
  return listing;
}

torch::Tensor allocate(const fs::path& folder, int64_t count, const Image& first) {
  const int64_t image_bytes = first.channels * first.height * first.width;
  if (count > kMaxImageBytes / image_bytes) {
    throw Error(ErrorKind::kUnsupported,
                folder.string() + ": " + std::to_string(count) + " images of " + first.size_text() +
                    " do not fit the " + std::to_string(kMaxImageBytes >> 30) + " GiB that are read at most");
  }
  return torch::empty({count, first.channels, first.height, first.width}, torch::kUInt8);
}

}  // namespace

ImageDataset read_image_folder(const fs::path& folder, const fs::path& root) {
  Listing listing = list(folder);
  torch::Tensor pixels;
  Image first;
  for (size_t i = 0; i < listing.files.size(); ++i) {
    const fs::path& file = listing.files[i];
    const std::string bytes = read_file(file);
    if (!is_image(bytes)) {
      throw Error(
          bytes.empty() ? ErrorKind::kDataLoss : ErrorKind::kInvalidArgument,
          file.string() + (bytes.empty() ? ": the file is empty" : ": neither a PNG nor a JPEG file"));
    }
    Image image = decode_image(file, bytes);
    if (i == 0) {
      pixels = allocate(folder, static_cast<int64_t>(listing.files.size()), image);
      first = Image{image.height, image.width, image.channels, {}};
    }
    if (image.size_text() != first.size_text()) {
      throw Error(ErrorKind::kInvalidArgument, file.string() + ": " + image.size_text() +
                                                   " where the images before it are " + first.size_text() +
                                                   "; all images must have one size");
    }
    const auto interleaved =
        torch::from_blob(image.pixels.data(), {image.height, image.width, image.channels}, torch::kUInt8);
    pixels[static_cast<int64_t>(i)].copy_(interleaved.permute({2, 0, 1}));
  }
  ImageDataset images(pixels, std::move(listing.labels), std::move(listing.names));
  std::vector<std::string> files;
  for (const fs::path& file : listing.files)
    files.push_back(file.lexically_relative(root.empty() ? folder : root).string());
  images.name_files(std::move(files));
  return images;
}

}  // namespace discreet
