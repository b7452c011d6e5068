#include "discreet/data/open.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <fstream>

#include "discreet/base/error.h"
#include "discreet/base/file.h"
#include "discreet/data/idx.h"
#include "discreet/data/image_file.h"
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

// What people try that is no table: a picture, a spreadsheet, JSON.
void refuse_other_formats(const fs::path& path) {
  const std::string name = path.filename().string();
  std::ifstream file(path, std::ios::binary);
  std::string start(8, '\0');
  file.read(start.data(), static_cast<std::streamsize>(start.size()));
  start.resize(static_cast<size_t>(file.gcount()));
  const std::string is = path.string() + ": is ";
  if (is_image(start))
    throw Error(ErrorKind::kInvalidArgument, is + "one image, where a folder of images is needed");
  if (start.starts_with("PK\x03\x04")) {
    throw Error(ErrorKind::kInvalidArgument,
                is + "a ZIP archive or a spreadsheet, not CSV; save the table as CSV (UTF-8) first");
  }
  if (name.ends_with(".json") || name.ends_with(".jsonl"))
    throw Error(ErrorKind::kInvalidArgument, is + "JSON, not CSV; write the table as CSV (UTF-8) first");
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
    case DataKind::kTable:
      refuse_other_formats(source.path);
      out.table = read_table(source.path, options);
      break;
    case DataKind::kIdx:
      out.train = read_idx(source.train->images, source.train->labels);
      if (source.test) out.test = read_idx(source.test->images, source.test->labels);
      break;
    case DataKind::kImageFolder:
      if (has_parts(source.path)) {
        out.train = read_image_folder(source.path / "train", source.path);
        out.test = read_image_folder(source.path / "test", source.path);
      } else {
        out.train = read_image_folder(source.path, source.path);
      }
      break;
  }
  check_same_shape(out);
  return out;
}

}  // namespace discreet
