#include "discreet/data/open.h"

#include <zlib.h>

#include <algorithm>
#include <array>

#include "discreet/base/error.h"
#include "discreet/base/file.h"
#include "discreet/data/idx.h"
#include "discreet/data/image_folder.h"

namespace discreet {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFashionMnist = "fashion-mnist";
constexpr const char* kFashionMnistFolder = "/usr/share/datasets/fashion-mnist";

// True if the file, decompressed, starts as IDX of unsigned bytes does.
bool is_idx(const fs::path& path) {
  gzFile file = gzopen(path.c_str(), "rb");
  if (file == nullptr) return false;
  std::array<unsigned char, 3> start{};
  const bool whole = gzread(file, start.data(), start.size()) == static_cast<int>(start.size());
  gzclose(file);
  return (whole && start[0] == 0 && start[1] == 0 && start[2] == 8) ||
         path.filename().string().find("-ubyte") != std::string::npos;
}

struct Source {
  DataKind kind = DataKind::kTable;
  fs::path path;
  std::optional<IdxPaths> train, test;  // kIdx
};

Source find_source(const std::string& data) {
  if (data.empty()) throw Error(ErrorKind::kInvalidArgument, "DATA: the name of a file or folder is needed");
  Source source{DataKind::kTable, data, {}, {}};
  std::error_code ignored;
  if (data == kFashionMnist && !fs::exists(data, ignored)) {
    source.path = kFashionMnistFolder;
    if (!fs::is_directory(source.path, ignored)) {
      throw Error(ErrorKind::kNotFound,
                  "fashion-mnist: " + source.path.string() +
                      " does not exist; install it with: apt-get install dataset-fashion-mnist");
    }
  }
  const auto comma = data.find(',');
  if (comma != std::string::npos && !fs::exists(source.path, ignored)) {
    source.kind = DataKind::kIdx;
    source.train = IdxPaths{data.substr(0, comma), data.substr(comma + 1)};
    return source;
  }
  const auto status = fs::status(source.path);
  if (!fs::exists(status)) throw file_error(ENOENT, "cannot read", source.path);
  if (fs::is_directory(status)) {
    source.train = find_idx(source.path, "train");
    source.test = find_idx(source.path, "t10k");
    source.kind = source.train || source.test ? DataKind::kIdx : DataKind::kImageFolder;
    if (!source.train) std::swap(source.train, source.test);  // only a test part: it is the data
    return source;
  }
  if (is_idx(source.path)) {
    source.kind = DataKind::kIdx;
    source.train = IdxPaths{source.path, labels_beside(source.path)};
  }
  return source;
}

// True if the folder's sub-folders are exactly train and test.
bool has_parts(const fs::path& folder) {
  int others = 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    others += !name.starts_with(".") && name != "train" && name != "test";
  }
  return others == 0 && fs::is_directory(folder / "train") && fs::is_directory(folder / "test");
}

void check_same_shape(const OpenedData& data) {
  if (data.test && data.test->shape() != data.train->shape()) {
    throw Error(
        ErrorKind::kInvalidArgument,
        data.path.string() + ": the images of the test part have another size than those to train on");
  }
}

}  // namespace

std::string_view to_string(DataKind kind) {
  switch (kind) {
    case DataKind::kTable: return "table";
    case DataKind::kIdx: return "idx";
    case DataKind::kImageFolder: return "image-folder";
  }
  return "";
}

DataKind kind_of(const std::string& data) {
  return find_source(data).kind;
}

OpenedData open_data(const std::string& data, const TableOptions& options) {
  const Source source = find_source(data);
  OpenedData out;
  out.kind = source.kind;
  out.path = source.path;
  switch (source.kind) {
    case DataKind::kTable: out.table = read_table(source.path, options); break;
    case DataKind::kIdx:
      out.train = read_idx(source.train->images, source.train->labels);
      if (source.test) out.test = read_idx(source.test->images, source.test->labels);
      break;
    case DataKind::kImageFolder:
      if (has_parts(source.path)) {
        out.train = read_image_folder(source.path / "train");
        out.test = read_image_folder(source.path / "test");
      } else {
        out.train = read_image_folder(source.path);
      }
      break;
  }
  check_same_shape(out);
  return out;
}

}  // namespace discreet
