#include "discreet/data/idx.h"

#include <cstring>

#include "discreet/base/error.h"
#include "discreet/base/gzip.h"

namespace discreet {
namespace {

constexpr size_t kMagicBytes = 4;
constexpr size_t kDimensionBytes = 4;

[[noreturn]] void damaged(const std::filesystem::path& path, const std::string& what) {
  throw Error(ErrorKind::kDataLoss, path.string() + ": " + what);
}

// The sizes in the header of an unsigned-byte IDX file, checked against the file's length; `bytes` is left
// whole.
std::vector<int64_t> header(const std::filesystem::path& path, const std::string& bytes, size_t dimensions) {
  const auto at = [&](size_t i) { return static_cast<uint32_t>(static_cast<unsigned char>(bytes[i])); };
  const std::string expected = "00 00 08 0" + std::to_string(dimensions);
  if (bytes.empty()) damaged(path, "the file is empty; an IDX file is expected");
  const size_t header_bytes = kMagicBytes + kDimensionBytes * dimensions;
  if (bytes.size() < kMagicBytes || at(0) != 0 || at(1) != 0 || at(2) != 8 || at(3) != dimensions) {
    damaged(path, "not an IDX file of unsigned bytes with " + std::to_string(dimensions) +
                      " dimension(s): it must start with " + expected);
  }
  if (bytes.size() < header_bytes) damaged(path, "the IDX header is cut off");
  std::vector<int64_t> sizes;
  int64_t total = 1;
  for (size_t i = 0; i < dimensions; ++i) {
    const size_t start = kMagicBytes + kDimensionBytes * i;
    sizes.push_back(at(start) << 24 | at(start + 1) << 16 | at(start + 2) << 8 | at(start + 3));
    if (i > 0 && (sizes[i] < 1 || sizes[i] > kMaxImageSide)) {
      damaged(path, "an image side of " + std::to_string(sizes[i]) + "; 1 to " +
                        std::to_string(kMaxImageSide) + " is allowed");
    }
    total *= sizes[i];  // below 2^32 * 2^12 * 2^12
  }
  const auto content = static_cast<int64_t>(bytes.size() - header_bytes);
  if (content != total) {
    damaged(path, "the header says " + std::to_string(total) + " bytes of content, the file has " +
                      std::to_string(content) + (content < total ? " (cut off?)" : ""));
  }
  if (sizes[0] == 0) damaged(path, "the file holds no records");
  return sizes;
}

}  // namespace

ImageDataset read_idx(const std::filesystem::path& images,
                      const std::optional<std::filesystem::path>& labels) {
  std::vector<std::string> names;
  for (int i = 0; i < 256; ++i) names.push_back(std::to_string(i));

  const std::string image_bytes = read_maybe_gzip(images);
  const auto sizes = header(images, image_bytes, 3);
  auto pixels = torch::empty({sizes[0], 1, sizes[1], sizes[2]}, torch::kUInt8);
  const size_t content = image_bytes.size() - (kMagicBytes + 3 * kDimensionBytes);
  std::memcpy(pixels.data_ptr<uint8_t>(), image_bytes.data() + (image_bytes.size() - content), content);
  if (!labels) return {pixels, {}, std::move(names)};

  const std::string label_bytes = read_maybe_gzip(*labels);
  const auto count = header(*labels, label_bytes, 1)[0];
  if (count != sizes[0]) {
    damaged(*labels, std::to_string(count) + " labels for the " + std::to_string(sizes[0]) + " images of " +
                         images.string());
  }
  std::vector<int64_t> values;
  for (size_t i = kMagicBytes + kDimensionBytes; i < label_bytes.size(); ++i) {
    values.push_back(static_cast<unsigned char>(label_bytes[i]));
  }
  return {pixels, std::move(values), std::move(names)};
}

std::optional<IdxPaths> find_idx(const std::filesystem::path& folder, const std::string& part) {
  for (const std::string dash : {"-", "."}) {
    for (const std::string end : {"", ".gz"}) {
      const auto images = folder / (part + "-images" + dash + "idx3-ubyte" + end);
      if (std::filesystem::is_regular_file(images)) return IdxPaths{images, labels_beside(images)};
    }
  }
  return std::nullopt;
}

std::optional<std::filesystem::path> labels_beside(const std::filesystem::path& images) {
  std::string name = images.filename().string();
  const auto replace = [&](const std::string& from, const std::string& to) {
    const auto found = name.find(from);
    if (found == std::string::npos) return false;
    name.replace(found, from.size(), to);
    return true;
  };
  if (!replace("images", "labels")) return std::nullopt;
  replace("idx3", "idx1");
  const std::string plain = name.ends_with(".gz") ? name.substr(0, name.size() - 3) : name;
  for (const auto& each : {name, plain, plain + ".gz"}) {
    const auto path = images.parent_path() / each;
    if (std::filesystem::is_regular_file(path)) return path;
  }
  return std::nullopt;
}

}  // namespace discreet
