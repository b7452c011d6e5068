// From the name that a person types to the data set that it means.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "discreet/data/image_dataset.h"
#include "discreet/data/table.h"

namespace discreet {

enum class DataKind { kTable, kIdx, kImageFolder };
std::string_view to_string(DataKind kind);  // "table", "idx", "image-folder"

struct OpenedData {
  DataKind kind = DataKind::kTable;
  std::filesystem::path path;
  std::optional<Table> table;         // kTable
  std::optional<ImageDataset> train;  // otherwise: all images, or the training part
  std::optional<ImageDataset> test;   // where the data comes with a test part
};

// What `data` names, in this order:
//   "fashion-mnist"       the IDX files of Debian's package dataset-fashion-mnist, if no such file or folder
//   exists IMAGES,LABELS         two IDX files a file                an IDX images file (its labels are found
//   beside it by name), else a table a folder              train-* and t10k-* IDX files; or sub-folders
//   "train" and "test" with image folders; or an
//                         image folder
// Only the kind is guessed, from names and magic bytes. Errors as read_table, read_idx and read_image_folder;
// kNotFound with the name of the Debian package where fashion-mnist is not installed.
OpenedData open_data(const std::string& data, const TableOptions& options = {});

// The kind alone, without reading records; same errors for what does not exist.
DataKind kind_of(const std::string& data);

}  // namespace discreet
