#include "discreet/data/inspect.h"

#include <algorithm>
#include <array>
#include <map>
#include <unordered_map>
#include <unordered_set>

#include "discreet/base/text.h"
#include "discreet/data/cell.h"
#include "discreet/data/identifiers.h"

namespace discreet {
namespace {

constexpr size_t kMostClasses = 20;

Json inspect_column(const Table& table, int64_t column) {
  std::array<int64_t, kCellTypes> types{};
  std::unordered_set<std::string_view> seen;
  int64_t odd = 0;
  double low = 0, high = 0;
  for (int64_t row = 0; row < table.rows(); ++row) {
    const std::string_view text = table.cell(row, column);
    const Cell cell = parse_cell(text);
    auto& count = types[static_cast<size_t>(cell.type)];
    ++count;
    odd += cell.odd;
    if (cell.type == CellType::kMissing) continue;
    seen.insert(text);
    if (cell.type != CellType::kNumber) continue;
    low = count == 1 ? cell.value : std::min(low, cell.value);
    high = count == 1 ? cell.value : std::max(high, cell.value);
  }
  const auto known = std::max_element(types.begin() + 1, types.end());
  const auto type = *known == 0 ? CellType::kMissing : static_cast<CellType>(known - types.begin());
  Json json = {{"name", table.names()[static_cast<size_t>(column)]},
               {"type", to_string(type)},
               {"missing", types[0]},
               {"odd", odd},
               {"distinct", seen.size()},
               {"constant", seen.size() <= 1}};
  for (size_t i = 0; i < types.size(); ++i) json["counts"][to_string(static_cast<CellType>(i))] = types[i];
  if (types[static_cast<size_t>(CellType::kNumber)] > 0) json["range"] = {low, high};
  return json;
}

void add_classes(const Table& table, const std::string& target, Json& json) {
  const int64_t column = table.column(target);
  std::unordered_map<std::string_view, int64_t> counts;
  for (int64_t row = 0; row < table.rows(); ++row) ++counts[table.cell(row, column)];
  std::vector<std::pair<std::string, int64_t>> sorted(counts.begin(), counts.end());
  std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });
  json["target"] = target;
  json["classes"] = Json::object();
  for (size_t i = 0; i < sorted.size() && i < kMostClasses; ++i)
    json["classes"][sorted[i].first] = sorted[i].second;
  json["classes_left_out"] = sorted.size() - std::min(sorted.size(), kMostClasses);
}

void advise(const Json& column, Json& advice) {
  const std::string name = "column '" + column["name"].get<std::string>() + "' ";
  if (column["type"] == "missing") {
    advice.push_back(name + "has no value in any row: remove it or declare it as ignored");
  } else if (column["constant"].get<bool>()) {
    advice.push_back(name + "has one value only: nothing can be learnt from it");
  }
  if (column["odd"].get<int64_t>() > 0) {
    advice.push_back(name + "has " + std::to_string(column["odd"].get<int64_t>()) +
                     " infinite or overflowing number(s), which count as missing");
  }
}

Json inspect_table(const Table& table, const std::string& target) {
  Json json = {{"kind", to_string(DataKind::kTable)}, {"rows", table.rows()}};
  json["columns"] = Json::array();
  json["identifiers"] = Json::array();
  Json advice = Json::array();
  for (int64_t column = 0; column < table.columns(); ++column) {
    json["columns"].push_back(inspect_column(table, column));
    advise(json["columns"].back(), advice);
  }
  for (const auto& found : find_identifiers(table)) {
    json["identifiers"].push_back(
        {{"column", found.column}, {"reason", found.reason}, {"repeats", found.repeats}});
    advice.push_back("column '" + found.column + "' looks like an identifier (" + found.reason + ")" +
                     (found.repeats
                          ? " and repeats: if its rows belong to one person, protect the person with --unit "
                          : ": leave it out unless it helps to predict") +
                     (found.repeats ? shell_word(found.column) : ""));
  }
  if (!target.empty()) add_classes(table, target, json);
  json["advice"] = advice;
  return json;
}

Json inspect_images(const ImageDataset& images) {
  std::map<int64_t, int64_t> counts;
  for (int64_t label : images.labels()) ++counts[label];
  Json labels = Json::object();
  for (const auto& [label, count] : counts) {
    labels[label < 0 ? "(none)" : images.label_names()[static_cast<size_t>(label)]] = count;
  }
  return {{"images", images.size()}, {"shape", images.shape()}, {"labels", labels}};
}

std::string padded(std::string text, size_t width) {
  text.resize(std::max(text.size(), width), ' ');
  return text;
}

std::string counts_text(const Json& counts, int64_t total) {
  std::string text;
  for (const auto& [name, count] : counts.items()) {
    const double share = 100.0 * count.get<double>() / static_cast<double>(std::max<int64_t>(total, 1));
    text += "  " + padded(name, 24) + " " + padded(std::to_string(count.get<int64_t>()), 10) + " " +
            format_number(share, 3) + " %\n";
  }
  return text;
}

std::string table_text(const Json& json) {
  size_t width = 6;
  for (const auto& column : json["columns"])
    width = std::max(width, column["name"].get<std::string>().size());
  std::string text = std::to_string(json["rows"].get<int64_t>()) + " rows, " +
                     std::to_string(json["columns"].size()) + " columns\n\n" + padded("column", width) +
                     "  type      missing   distinct  range\n";
  for (const auto& column : json["columns"]) {
    text += padded(column["name"].get<std::string>(), width) + "  " +
            padded(column["type"].get<std::string>(), 9) + " " +
            padded(std::to_string(column["missing"].get<int64_t>()), 9) + " " +
            padded(std::to_string(column["distinct"].get<int64_t>()), 9);
    if (column.contains("range")) {
      text += " " + format_number(column["range"][0].get<double>(), 6) + " to " +
              format_number(column["range"][1].get<double>(), 6);
    }
    text.erase(text.find_last_not_of(' ') + 1);
    text += "\n";
  }
  if (json.contains("classes")) {
    text += "\ntarget " + json["target"].get<std::string>() + "\n" +
            counts_text(json["classes"], json["rows"].get<int64_t>());
    const auto left_out = json["classes_left_out"].get<int64_t>();
    if (left_out > 0) text += "  and " + std::to_string(left_out) + " more values\n";
  }
  return text;
}

std::string images_text(const std::string& part, const Json& json) {
  const auto shape = json["shape"].get<std::vector<int64_t>>();
  return part + ": " + std::to_string(json["images"].get<int64_t>()) + " images, " +
         std::to_string(shape[2]) + "x" + std::to_string(shape[1]) + (shape[0] == 1 ? " gray" : " RGB") +
         "\n" + counts_text(json["labels"], json["images"].get<int64_t>());
}

}  // namespace

Json inspect(const OpenedData& data, const std::string& target) {
  if (data.table) return inspect_table(*data.table, target);
  Json json = {{"kind", to_string(data.kind)}, {"train", inspect_images(*data.train)}};
  json["test"] = data.test ? inspect_images(*data.test) : Json();
  json["advice"] = Json::array();
  return json;
}

std::string inspection_text(const Json& inspection) {
  std::string text;
  if (inspection["kind"] == to_string(DataKind::kTable)) {
    text = table_text(inspection);
  } else {
    text = images_text("training part", inspection["train"]);
    if (!inspection["test"].is_null()) text += images_text("test part", inspection["test"]);
  }
  if (!inspection["advice"].empty()) text += "\n";
  for (const auto& line : inspection["advice"]) text += "- " + line.get<std::string>() + "\n";
  return text;
}

}  // namespace discreet
