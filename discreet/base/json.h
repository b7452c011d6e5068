// JSON documents keep the order in which they were written, so that files read well and hash the same.
#pragma once

#include <nlohmann/json.hpp>

namespace discreet {
using Json = nlohmann::ordered_json;
}  // namespace discreet
