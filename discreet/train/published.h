// Data sets whose publication states facts that need no budget: their name declares them.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace discreet {

struct PublishedData {
  std::string_view name;  // what DATA says
  std::string_view source;
  double units;  // in the training part
  int classes;   // labels 0, 1, ...
  int64_t channels, height, width;
};

std::span<const PublishedData> published_data();

// Null unless `data` is such a name and no file of that name stands in the way.
const PublishedData* find_published(const std::string& data);

}  // namespace discreet
