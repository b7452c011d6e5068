// What `discreet inspect DATA` shows the owner of the data: exact facts about private records.
//
// For the owner's eyes only: written to no file, log or package, and used for nothing that is released.
#pragma once

#include <string>

#include "discreet/base/json.h"
#include "discreet/data/open.h"

namespace discreet {

// Tables: {"kind", "rows", "columns": [{"name", "type", "missing", "odd", "distinct", "constant", "counts":
// {type:
//   cells}, "range": [low, high] of numbers}], "identifiers": [{"column", "reason", "repeats"}], "advice":
//   [...]} and, with a target, "classes": {value: rows}, the 20 most frequent ("classes_left_out" counts the
//   others).
// Images: {"kind", "train": {"images", "shape": [C, H, W], "labels": {name: images}}, "test": the same or
// null,
//   "advice"}.
// kNotFound where the target is not a column.
Json inspect(const OpenedData& data, const std::string& target = "");

// The same as words and columns for a terminal.
std::string inspection_text(const Json& inspection);

}  // namespace discreet
